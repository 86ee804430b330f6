package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestConsolePath: the console is answered below its path and there only, and takes
// nothing from the API, wherever it is.
func TestConsolePath(t *testing.T) {
	answer := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	for path, want := range map[string]map[string]int{
		"/": {
			"/": 418, "/flow/x": 418, "/app.js": 418, "/apis": 418, "/api/v1/query": 202, "/api/v2/x": 404, "/api": 404,
			"/metrics": 200, "/metrics/x": 404, "/-/healthy": 200, "/-/x": 404, "/debug/pprof/": 404,
		},
		"/console": {"/": 404, "/console": 301, "/console/": 418, "/console/flow/x": 418, "/consoles": 404, "/api/v1/query": 202},
		"/a/b/":    {"/a/": 404, "/a/b": 301, "/a/b/c": 418},
		ConsoleOff: {"/": 404, "/off": 404, "/api/v1/query": 202},
	} {
		c := Config{Console: path}
		if err := c.CheckConsole(); err != nil {
			t.Errorf("%s is refused: %v", path, err)
		}
		r := Routes{
			Read: answer(http.StatusAccepted), Metrics: prometheus.NewRegistry(), Ready: func(context.Context) error { return nil },
			Log: slog.New(slog.DiscardHandler), ConsoleDir: c.ConsoleDir(),
		}
		if r.ConsoleDir != "" {
			r.Console = answer(http.StatusTeapot)
		}
		for asked, code := range want {
			w := httptest.NewRecorder()
			if r.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, asked, nil)); w.Code != code {
				t.Errorf("console at %s: %s is answered %d, want %d", path, asked, w.Code, code)
			}
		}
	}
	for _, path := range []string{"", "console", "/api", "/api/x", "/-/", "/metrics", "/debug/pprof", "//", "/a//b", "/a/../b", "/./", "/ä", "/a b", `/"x`, "/{x}"} {
		if (Config{Console: path}).CheckConsole() == nil {
			t.Errorf("%q is accepted", path)
		}
	}
}

// TestConsoleScope: the console takes the scope read, unknown paths of the API still take
// admin, and without a console every unknown path does.
func TestConsoleScope(t *testing.T) {
	reader, r := NewToken("reader", []Scope{ScopeRead})
	writer, w := NewToken("writer", []Scope{ScopeWrite})
	tokens := put(t, filepath.Join(t.TempDir(), "tokens.yml"), tokensText(t, []Token{r, w}, ""))
	for _, c := range []struct {
		console, path string
		code          int // for the reader
	}{
		{"/", "/", 204}, {"/", "/flow/x", 204}, {"/", "/api/v1/unknown", 403}, {"/", "/debug/pprof/heap", 403}, {"/", "/-/reload", 403},
		{"/ui", "/ui/", 204}, {"/ui", "/ui", 204}, {"/ui", "/uis", 403}, {"/ui", "/", 403}, {ConsoleOff, "/", 403},
	} {
		url := "http://" + serving(t, Config{TokensFile: tokens, Console: c.console})
		if got, _ := asking(t, http.DefaultClient, url+c.path, reader); got != c.code {
			t.Errorf("console at %s: a reader asks for %s: %d, want %d", c.console, c.path, got, c.code)
		}
		if got, _ := asking(t, http.DefaultClient, url+c.path, writer); got != 403 {
			t.Errorf("console at %s: a writer asks for %s: %d", c.console, c.path, got)
		}
		if got, _ := asking(t, http.DefaultClient, url+c.path, ""); got != 401 {
			t.Errorf("console at %s: nobody asks for %s: %d", c.console, c.path, got)
		}
	}
}
