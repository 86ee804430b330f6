package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// AnyHost is the entry of Config.Hosts that stands for every name.
const AnyHost = "*"

// privateDomains are domains that no public DNS has, by their use in private networks: mDNS,
// clouds, Kubernetes, homes.
var privateDomains = []string{"local", "internal", "svc", "home.arpa"}

// hosts are the names under which requests are answered where no one has to log in.
//
// A browser counts a page as this process's own if both have the same name. An attacker
// whose DNS first names his server and then this process's address has such a page (DNS
// rebinding), and it can read and change whatever whoever looks at it reaches. So a name
// that somebody else may own is not answered. Addresses are nobody's name. A login needs no
// such care: the browser keeps what was logged in with for the name where that was. Nor does
// TLS, whose certificate does not have the attacker's name.
type hosts struct {
	any     bool
	names   []string // in lower case
	private bool     // other machines reach this one, by names of their network
}

// CheckHosts says what is wrong with the names under which requests are answered.
func (c Config) CheckHosts() error {
	for _, name := range c.Hosts {
		if name != AnyHost && (plainName(name) == "" || strings.ContainsAny(name, "/:*@ ")) {
			return fmt.Errorf("web.hosts has %q: want names without a scheme or a port, such as laminar.example.org, or %s for all", name, AnyHost)
		}
	}
	return nil
}

// newHosts are those of a configuration, and the name that it listens at.
func newHosts(c Config) hosts {
	h := hosts{any: slices.Contains(c.Hosts, AnyHost), private: !loopback(c.Listen), names: []string{plainName(c.Listen)}}
	for _, name := range c.Hosts {
		h.names = append(h.names, plainName(name))
	}
	return h
}

// answers reports whether a request of someone who did not log in is answered as far as its
// name goes. Probes are, which learn nothing. Samples are unless a browser sends them, which
// names the origin of its page with every POST: senders know this process by any name.
func (h *hosts) answers(r *http.Request) bool {
	switch r.URL.Path {
	case "/-/healthy", "/-/ready":
		return true
	case "/api/v1/write", "/api/v1/import":
		if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
			return true
		}
	}
	return h.any || h.ours(plainName(r.Host))
}

// ours reports whether no one else can have a name. A request without one is from no browser.
func (h *hosts) ours(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(h.names, name) {
		return true
	}
	return h.private && (!strings.Contains(name, ".") ||
		slices.ContainsFunc(privateDomains, func(domain string) bool { return strings.HasSuffix(name, "."+domain) }))
}

// plainName is the name of a host, or its address, as one spelling of many: without a port,
// brackets or the root's dot, in lower case.
func plainName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// misdirected answers a request under a name that may be someone else's.
func misdirected(w http.ResponseWriter, r *http.Request) {
	http.Error(w, fmt.Sprintf("no login is needed here, so requests are answered only under names that no other website can have, and %q is none of them: "+
		"add it to web.hosts (--web-hosts), or require a login", plainName(r.Host)), http.StatusMisdirectedRequest)
}
