package notify

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// resolver looks names up; net.DefaultResolver does.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// discovery is the addresses of one entry: those that stand in it, and those that its
// names had when they were last looked up. It belongs to one goroutine.
type discovery struct {
	static []string
	names  []named
}

// named is what one dns_sd_config found.
type named struct {
	DNS
	found []string
	next  time.Time
}

func newDiscovery(a *Alertmanagers) *discovery {
	d := &discovery{}
	for _, s := range a.Static {
		d.static = append(d.static, s.Targets...)
	}
	for _, n := range a.DNS {
		d.names = append(d.names, named{DNS: n})
	}
	return d
}

// addresses is what is known at a time, sorted; names whose time has come are looked up
// again. A name that cannot be looked up keeps the addresses it had: Alertmanagers are
// needed most when much else is down.
func (d *discovery) addresses(ctx context.Context, r resolver, now time.Time) (out []string, err error) {
	out = slices.Clone(d.static)
	for i := range d.names {
		n := &d.names[i]
		if !now.Before(n.next) {
			n.next = now.Add(time.Duration(n.Refresh))
			found, lookErr := n.look(ctx, r)
			if lookErr == nil {
				n.found = found
			} else {
				err = lookErr
			}
		}
		out = append(out, n.found...)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// look looks the names up.
func (n *named) look(ctx context.Context, r resolver) (out []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	for _, name := range n.Names {
		if n.Type == "SRV" {
			_, records, err := r.LookupSRV(ctx, "", "", name)
			if err != nil {
				return nil, err
			}
			for _, rec := range records {
				out = append(out, net.JoinHostPort(strings.TrimSuffix(rec.Target, "."), strconv.Itoa(int(rec.Port))))
			}
			continue
		}
		network := map[string]string{"A": "ip4", "AAAA": "ip6"}[n.Type]
		ips, err := r.LookupNetIP(ctx, network, name)
		if err != nil {
			return nil, err
		}
		for _, ip := range ips {
			out = append(out, net.JoinHostPort(ip.String(), strconv.Itoa(n.Port)))
		}
	}
	return out, nil
}
