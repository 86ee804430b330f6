package web

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestHosts: where no one has to log in, what reads or changes is answered only under names
// that no other website can have, so that a page whose DNS was pointed here gets nothing;
// probes and senders are answered under every name.
func TestHosts(t *testing.T) {
	dir := t.TempDir()
	users := usersFile(t, filepath.Join(dir, "users.yml"), "reader")
	tokens := put(t, filepath.Join(dir, "tokens.yml"), "tokens: []\n")
	metrics := prometheus.NewRegistry()
	loopback, exposed := Config{Listen: "127.0.0.1:9201"}, Config{Listen: "0.0.0.0:9201", AllowUnauthenticated: true}
	named, all, own := loopback, loopback, exposed
	named.Hosts, all.Hosts, own.Listen = []string{"Laminar.Example.org."}, []string{AnyHost}, "laminar.prod.example:9201"
	withUsers, withTokens := loopback, loopback
	withUsers.File, withTokens.TokensFile = users, tokens
	at := map[string]*httptest.Server{}
	for name, c := range map[string]Config{"loopback": loopback, "exposed": exposed, "named": named, "all": all, "own": own, "users": withUsers, "tokens": withTokens} {
		var reg prometheus.Registerer
		if name == "loopback" {
			reg = metrics
		}
		at[name] = &httptest.Server{URL: "http://" + servingTo(t, c, reg)}
	}
	ask := func(to, method, path, host string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at[to].URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	const everywhere, network, nowhere = "loopback exposed named all own", "exposed all own", "all"
	refused := 0
	for host, where := range map[string]string{
		"localhost": everywhere, "LOCALHOST:9201": everywhere, "localhost.:80": everywhere, "x.localhost": everywhere,
		"127.0.0.1": everywhere, "127.0.0.1:9201": everywhere, "[::1]:9201": everywhere, "10.1.2.3:80": everywhere, "[2001:db8::1]": everywhere,
		"laminar": network, "laminar:9201": network, "laminar.monitoring.svc": network, "laminar.monitoring.svc.cluster.local:9201": network,
		"host.docker.internal": network, "nas.home.arpa": network,
		"laminar.example.org": "named all", "LAMINAR.example.org:8080": "named all", "laminar.prod.example": "own all",
		"evil.example": nowhere, "evil.example:9201": nowhere, "x.laminar.example.org": nowhere, "localhost.evil.example": nowhere,
		"127.0.0.1.evil.example": nowhere, "evillocalhost.example": nowhere, "notlocal": network, "evil-local.example": nowhere, "elocal.example": nowhere,
	} {
		for _, to := range strings.Fields(everywhere) {
			for _, req := range []string{
				"GET /", "GET /flow/x", "GET /api/v1/query", "POST /api/v1/query", "POST /api/v1/laminar/refill/start", "GET /api/v1/laminar/flows",
				"GET /api/v1/subscribe", "GET /metrics", "POST /-/reload", "GET /debug/pprof/", "GET /unknown",
			} {
				method, path, _ := strings.Cut(req, " ")
				code, text := ask(to, method, path, host)
				want := http.StatusMisdirectedRequest
				if strings.Contains(" "+where+" ", " "+to+" ") {
					want = http.StatusNoContent
				} else if to == "loopback" {
					refused++
				}
				if code != want || code == http.StatusMisdirectedRequest && !strings.Contains(text, "web.hosts") {
					t.Errorf("%s: %s for %s is answered %d %q, want %d", to, req, host, code, text, want)
				}
			}
		}
	}
	if got := refusedBy(t, metrics)["host"]; got != float64(refused) {
		t.Errorf("%v requests are counted as refused, want %d", got, refused)
	}
	const evil = "evil.example"
	for _, to := range []string{"loopback", "exposed"} {
		for _, path := range []string{"/-/healthy", "/-/ready"} {
			if code, _ := ask(to, "GET", path, evil); code != http.StatusNoContent {
				t.Errorf("%s: a probe of %s is answered %d", to, path, code)
			}
		}
		for _, path := range []string{"/api/v1/write", "/api/v1/import"} {
			if code, _ := ask(to, "POST", path, evil); code != http.StatusNoContent {
				t.Errorf("%s: a sender to %s is answered %d", to, path, code)
			}
			for _, of := range []string{"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: same-origin"} {
				name, value, _ := strings.Cut(of, ": ")
				if code, _ := ask(to, "POST", path, evil, name, value); code != http.StatusMisdirectedRequest {
					t.Errorf("%s: a browser that sends %s to %s is answered %d", to, of, path, code)
				}
				if code, _ := ask(to, "POST", path, "localhost", name, value); code != http.StatusNoContent {
					t.Errorf("%s: a browser that sends %s to %s of localhost is answered %d", to, of, path, code)
				}
			}
		}
	}
	// What has to log in is bound to no name, and nor is what came by TLS.
	for _, to := range []string{"users", "tokens"} {
		if code, _ := ask(to, "GET", "/api/v1/query", evil); code != http.StatusUnauthorized {
			t.Errorf("%s: without a login the answer is %d", to, code)
		}
	}
	if code, _ := ask("users", "GET", "/api/v1/query", evil, "Authorization", "Basic cmVhZGVyOnJlYWRlcg=="); code != http.StatusNoContent {
		t.Errorf("with a login the answer is %d", code)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := New(listener, loopback, http.NotFoundHandler(), slog.New(slog.DiscardHandler), nil)
	for _, c := range []struct {
		over *tls.ConnectionState
		code int
	}{{nil, http.StatusMisdirectedRequest}, {&tls.ConnectionState{}, http.StatusNotFound}} {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "http://evil.example/", nil)
		r.TLS = c.over
		if s.server.Handler.ServeHTTP(w, r); w.Code != c.code {
			t.Errorf("with TLS %v the answer is %d, want %d", c.over, w.Code, c.code)
		}
	}
}

// TestCheckHosts: an entry that no request could match is a fault, not a silence.
func TestCheckHosts(t *testing.T) {
	for entry, ok := range map[string]bool{
		"laminar.example.org": true, "laminar": true, AnyHost: true, "": false, ".": false, "laminar:9201": false, "http://laminar": false, "*.example.org": false, "::1": false, "a b": false,
	} {
		if err := (Config{Hosts: []string{"x", entry}}).CheckHosts(); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", entry, err, ok)
		}
	}
}
