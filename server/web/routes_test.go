package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/sequence"
)

// TestRoutes: each endpoint is there under its method, and a process whose
// database is away is healthy and not ready.
func TestRoutes(t *testing.T) {
	var away error
	answer := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	r := Routes{
		Read: answer(http.StatusTeapot), Write: answer(http.StatusNoContent), Import: answer(http.StatusAccepted), Reload: answer(http.StatusOK), Metrics: prometheus.NewRegistry(),
		Ready: func(context.Context) error { return away }, Log: slog.New(slog.DiscardHandler),
	}
	get := func(h http.Handler, method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{"POST", "/api/v1/write", 204}, {"GET", "/api/v1/write", 204}, {"POST", "/api/v1/import", 202},
		{"GET", "/api/v1/query", 418}, {"POST", "/api/v1/label/x/values", 418},
		{"GET", "/metrics", 200}, {"POST", "/-/reload", 200}, {"GET", "/-/reload", 405}, {"POST", "/metrics", 405}, {"GET", "/-/healthy", 200}, {"GET", "/-/ready", 200},
		{"GET", "/debug/pprof/", 404}, {"GET", "/", 404},
	} {
		if code, _ := get(r.Handler(), c.method, c.path); code != c.code {
			t.Errorf("%s %s is answered %d, want %d", c.method, c.path, code, c.code)
		}
	}
	none := r
	none.Read = nil
	if code, _ := get(none.Handler(), "GET", "/api/v1/query"); code != 404 {
		t.Errorf("without queries: they are answered %d", code)
	}
	away = fmt.Errorf("%w: host=10.1.2.3", sequence.ErrUnavailable)
	if code, text := get(r.Handler(), "GET", "/-/ready"); code != 503 || !strings.Contains(text, "database is not available") || strings.Contains(text, "10.1.2.3") {
		t.Errorf("without a database: ready is answered %d, %q", code, text)
	}
	if code, _ := get(r.Handler(), "GET", "/-/healthy"); code != 200 {
		t.Errorf("without a database: healthy is answered %d", code)
	}
	r.Profiles = true
	if code, _ := get(r.Handler(), "GET", "/debug/pprof/"); code != 200 {
		t.Errorf("profiles are answered %d", code)
	}
}

// TestOtherOrigins: nothing that a page of another origin makes a browser send is
// answered by a route but what only looks, and senders that are no browsers are.
func TestOtherOrigins(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := Routes{
		Write: answer, Import: answer, Reload: answer, Read: answer, Own: answer, Follow: answer, Console: answer, ConsoleDir: "/",
		Metrics: prometheus.NewRegistry(), Ready: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
	}.Handler()
	code := func(method, path, name, value string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("x"))
		if name != "" {
			r.Header.Set(name, value)
		}
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, path := range []string{
		"/api/v1/write", "/api/v1/import", "/-/reload?prune=true", "/api/v1/query",
		"/api/v1/laminar/refill/start", "/api/v1/laminar/job/cancel", "/api/v1/laminar/verify/start", "/api/v1/laminar/verify/cancel",
	} {
		for _, c := range []struct {
			method, name, value string
			code                int
		}{
			{"POST", "", "", 204},
			{"POST", "Sec-Fetch-Site", "same-origin", 204},
			{"POST", "Sec-Fetch-Site", "none", 204},
			{"POST", "Sec-Fetch-Site", "cross-site", 403},
			{"POST", "Sec-Fetch-Site", "same-site", 403},
			{"POST", "Origin", "http://elsewhere.example", 403},
			{"POST", "Origin", "null", 403},
			{"POST", "Origin", "http://example.com", 204}, // where the request goes
		} {
			if got := code(c.method, path, c.name, c.value); got != c.code {
				t.Errorf("%s %s with %q: %q is answered %d, want %d", c.method, path, c.name, c.value, got, c.code)
			}
		}
	}
	for _, path := range []string{"/api/v1/query", "/api/v1/laminar/flows", "/api/v1/write", "/flow/x"} {
		if got := code("GET", path, "Sec-Fetch-Site", "cross-site"); got != 204 {
			t.Errorf("GET %s from another site, which a link makes, is answered %d", path, got)
		}
	}
}

// TestCheck: an address that others reach needs users, certificates that are
// verified, or the setting that says that it needs none.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := file("users.yml", "basic_auth_users:\n  writer: $2a$04$TxMt4MvUw4RmTsqA70U4pOJljSdW.rRrE7DxYPdpH9LYKswlEfupq\n")
	empty := file("empty.yml", "")
	for _, c := range []struct {
		config Config
		ok     bool
	}{
		{Config{Listen: "127.0.0.1:1"}, true},
		{Config{Listen: "0.0.0.0:1"}, false},
		{Config{Listen: "0.0.0.0:1", AllowUnauthenticated: true}, true},
		{Config{Listen: "0.0.0.0:1", File: users}, true},
		{Config{Listen: "0.0.0.0:1", File: empty}, false},
		{Config{Listen: "127.0.0.1:1", File: empty}, true},
	} {
		var exposed *ExposedError
		if err := c.config.Check(); (err == nil) != c.ok || err != nil && !errors.As(err, &exposed) {
			t.Errorf("%+v: got %v, want ok %v", c.config, err, c.ok)
		}
	}
	for _, path := range []string{file("broken.yml", "users: [\n"), filepath.Join(dir, "missing.yml")} {
		if err := (Config{Listen: "127.0.0.1:1", File: path}).Check(); err == nil {
			t.Errorf("%s is accepted", path)
		}
	}
}
