package notify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// contextOf is the test's context, to be ended early.
func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// read reads a file with the text.
func read(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c Config
	err := c.Read(path)
	return c, err
}

// TestReadPrometheusFile: a whole prometheus.yml is read as it is; what it says of
// anything but alerting is not looked at.
func TestReadPrometheusFile(t *testing.T) {
	c, err := read(t, `
global:
  scrape_interval: 15s
  external_labels: {zone: eu}
scrape_configs:
  - job_name: node
    static_configs: [{targets: [localhost:9100]}]
alerting:
  alert_relabel_configs:
    - {action: labeldrop, regex: replica}
  alertmanagers:
    - scheme: https
      path_prefix: /am/
      timeout: 3s
      api_version: v2
      basic_auth: {username: me, password_file: secret}
      tls_config: {insecure_skip_verify: true}
      static_configs: [{targets: [a:9093, b:9093]}]
    - dns_sd_configs: [{names: [am.example], type: a, port: 9093}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Alertmanagers) != 2 || len(c.Relabel) != 1 || c.ExternalLabels.Get("zone") != "eu" {
		t.Fatalf("read %+v", c)
	}
	first, err := newClient(&c.Alertmanagers[0], "1")
	if err != nil {
		t.Fatal(err)
	}
	if got := first.url("a:9093"); got != "https://a:9093/am/api/v2/alerts" || first.timeout != 3*time.Second {
		t.Errorf("%s, timeout %s", got, first.timeout)
	}
	if file := c.Alertmanagers[0].HTTP.BasicAuth.PasswordFile; !filepath.IsAbs(file) {
		t.Errorf("the password file %s is not beside the file", file)
	}
	if d := c.Alertmanagers[1].DNS[0]; d.Type != "A" || time.Duration(d.Refresh) != 30*time.Second {
		t.Errorf("names: %+v", d)
	}
}

// TestRefused: what is not built or cannot be meant is refused and not ignored.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"alertmanagers: [{kubernetes_sd_configs: [{role: pod}]}]":              "is not built: kubernetes_sd_configs",
		"alertmanagers: [{api_version: v1}]":                                   "only v2",
		"alertmanagers: [{static_configs: [{targets: ['http://a:1']}]}]":       "is not host:port",
		"alertmanagers: [{dns_sd_configs: [{names: [a], type: A}]}]":           "a port is needed",
		"alertmanagers: [{dns_sd_configs: [{names: [a], type: MX, port: 1}]}]": "want SRV, A or AAAA",
		"alertmanagers: [{scheme: ftp}]":                                       "want http or https",
		"alertmanagers: [{basic_auth: {username: a}, bearer_token: x}]":        "at most one of",
		"alert_relabel_configs: [{action: replace, target_label: ''}]":         "target_label",
		"alert_managers: []": "is not built: alert_managers",
	} {
		if _, err := read(t, "alerting: {"+text+"}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, url := range []string{"localhost:9093", "ftp://a", "http://", "http://me:secret@"} {
		if _, err := At([]string{url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// names is a resolver that knows some, or fails.
type names struct {
	ips    map[string][]string
	srv    map[string][]*net.SRV
	failed bool
}

func (n *names) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	return name, n.srv[name], n.err()
}

func (n *names) LookupNetIP(_ context.Context, network, host string) (out []netip.Addr, err error) {
	for _, text := range n.ips[network+" "+host] {
		out = append(out, netip.MustParseAddr(text))
	}
	return out, n.err()
}

func (n *names) err() error {
	if n.failed {
		return errors.New("no answer")
	}
	return nil
}

// TestDiscovery: names are looked up again when their time has come, and keep their
// addresses while they cannot be.
func TestDiscovery(t *testing.T) {
	a := Alertmanagers{
		Static: []Static{{Targets: []string{"z:9093"}}},
		DNS: []DNS{
			{Names: []string{"_am._tcp.example"}, Type: "SRV"}, {Names: []string{"four.example"}, Type: "A", Port: 1},
			{Names: []string{"six.example"}, Type: "AAAA", Port: 2},
		},
	}
	if err := a.check(); err != nil {
		t.Fatal(err)
	}
	n := &names{
		srv: map[string][]*net.SRV{"_am._tcp.example": {{Target: "am-0.example.", Port: 9093}}},
		ips: map[string][]string{"ip4 four.example": {"10.0.0.1"}, "ip6 six.example": {"fe80::1"}},
	}
	d, now := newDiscovery(&a), time.Unix(1000, 0)
	first := []string{"10.0.0.1:1", "[fe80::1]:2", "am-0.example:9093", "z:9093"}
	second := []string{"10.0.0.2:1", "[fe80::1]:2", "am-0.example:9093", "z:9093"}
	for _, step := range []struct {
		after  time.Duration
		failed bool
		want   []string
	}{{0, false, first}, {time.Second, false, first}, {time.Minute, true, first}, {time.Minute, false, second}} {
		n.failed = step.failed
		now = now.Add(step.after)
		got, err := d.addresses(t.Context(), n, now)
		if !slices.Equal(got, step.want) || (err != nil) != step.failed {
			t.Errorf("after %s: %q, %v, want %q", step.after, got, err, step.want)
		}
		n.ips["ip4 four.example"] = []string{"10.0.0.2"}
	}
}
