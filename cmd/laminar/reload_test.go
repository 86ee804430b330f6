package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// TestReload: files of definitions are read again on SIGHUP and POST /-/reload. What
// is added is there, what is as it was is not touched, one fault stops all of it, and
// what would lose results takes a word.
func TestReload(t *testing.T) {
	db := sqltest.New(t)
	addr := laminartest.FreeAddr(t)
	dir := t.TempDir()
	write := func(file string, rules ...string) {
		t.Helper()
		text := "groups:\n- name: g\n  rules:\n" + strings.Join(rules, "")
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule := func(name, expr string) string { return fmt.Sprintf("  - record: %s\n    expr: %s\n", name, expr) }
	write("a.yml", rule("one", "sum(x)"), rule("two", "sum(y)"))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		args := []string{"serve", "--database-url", db.URL, "--listen", addr, "--log-level", "error", "--flows", filepath.Join(dir, "*.yml")}
		if code, _, stderr := invoke(ctx, "", args...); code != exitOK {
			t.Errorf("serve ended with %d: %s", code, stderr)
		}
	}()
	defer func() { stop(); <-ended }()
	laminartest.Until(t, 4*time.Minute, "serve is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	pool := db.Pool(t)
	flows := func() []string { // that are recorded, each with its id, which a new one has anew
		t.Helper()
		var out []string
		if err := pool.QueryRow(t.Context(), "select coalesce(array_agg(name || ' ' || id order by name), '{}') from laminar.flow where name not like 'alert:%'").Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	metric := func(want string) { // which is set a moment after the flows are there
		t.Helper()
		laminartest.Until(t, 4*time.Minute, "metrics say that the last reload was "+want, func() bool {
			resp, err := http.Get("http://" + addr + "/metrics")
			if err != nil {
				return false
			}
			text, err := io.ReadAll(resp.Body)
			return err == nil && resp.Body.Close() == nil && strings.Contains(string(text), "laminar_config_last_reload_successful "+want+"\n") &&
				strings.Contains(string(text), "laminar_config_last_reload_success_timestamp_seconds 1.")
		})
	}
	post := func(query string, code int, want ...string) {
		t.Helper()
		resp, err := http.Post("http://"+addr+"/-/reload"+query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != code {
			t.Fatalf("POST /-/reload%s is answered %d: %s", query, resp.StatusCode, text)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("POST /-/reload%s is answered %s, want %q in it", query, text, w)
			}
		}
	}
	first := flows()
	if len(first) != 2 {
		t.Fatalf("flows at the start: %q", first)
	}
	metric("1")

	// A file more; what was there is not touched.
	write("b.yml", rule("three", "sum(z)"), "  - {alert: A, expr: three > 1}\n")
	post("", http.StatusOK, `"flow":"three","table":"flow.three","action":"created"`, `"flow":"one","table":"flow.one","action":"unchanged"`, `"flow":"alert:g:A"`)
	second := flows()
	if len(second) != 3 || second[0] != first[0] || second[2] != first[1] {
		t.Errorf("flows were %q and are %q", first, second)
	}

	// One fault in one file: nothing of the others either.
	write("b.yml", rule("three", "sum(z)"), rule("four", "sum(z)"))
	write("c.yml", rule("five", "sum(z"))
	post("", http.StatusBadRequest, filepath.Join(dir, "c.yml")+":5: flow five: ")
	if got := flows(); !slices.Equal(got, second) {
		t.Errorf("flows were %q and are %q", second, got)
	}
	metric("0")
	if err := os.Remove(filepath.Join(dir, "c.yml")); err != nil {
		t.Fatal(err)
	}

	// The signal does the same.
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	laminartest.Until(t, 4*time.Minute, "SIGHUP has brought the flow four", func() bool { return len(flows()) == 4 })
	metric("1")

	// A changed definition would lose results.
	write("a.yml", rule("one", "sum(x)"), rule("two", "sum(y) * 2"))
	before := flows()
	post("", http.StatusConflict, filepath.Join(dir, "a.yml")+":6: flow two: has changed", "?replace=true")
	post("?replace=perhaps", http.StatusBadRequest)
	if got := flows(); !slices.Equal(got, before) {
		t.Errorf("flows were %q and are %q", before, got)
	}
	post("?replace=true", http.StatusOK, `"flow":"two","table":"flow.two","action":"replaced"`)
	if got := flows(); got[1] != before[1] || slices.Equal(got, before) {
		t.Errorf("flows were %q and are %q", before, got)
	}

	// A rule that is gone from its file goes on, until its results may go; a flow that
	// no file has brought is nobody's business.
	own := filepath.Join(t.TempDir(), "own.yml")
	if err := os.WriteFile(own, []byte("- {as: own, promql: sum(x), every: 1m}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke(t.Context(), "", "flow", "apply", "-f", own, "--database-url", db.URL); code != exitOK {
		t.Fatal(stderr)
	}
	write("b.yml", rule("four", "sum(z)"))
	post("", http.StatusOK, `"left":["alert:g:A","three"]`)
	if got := flows(); len(got) != 5 {
		t.Errorf("flows are %q", got)
	}
	post("?prune=true", http.StatusOK, `"flow":"three","table":"flow.three","action":"removed"`)
	if got := flows(); len(got) != 4 || slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, "three") }) {
		t.Errorf("flows are %q", got)
	}
	post("?prune=true", http.StatusOK, `"flow":"four"`)

	// Rules of one record, each in a group of its own, are named with their numbers.
	var groups strings.Builder
	for i, window := range []string{"1m", "2m", "3m"} {
		fmt.Fprintf(&groups, "- name: g%d\n  rules:\n  - record: shared\n    expr: sum(sum_over_time(x[%s]))\n", i, window)
	}
	shared := filepath.Join(dir, "shared.yml")
	if err := os.WriteFile(shared, []byte("groups:\n"+groups.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	post("", http.StatusOK, `"flow":"shared#1"`, `"flow":"shared#2"`, `"flow":"shared#3"`)
	if err := os.Remove(shared); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		post("", http.StatusOK, `"left":["shared#1","shared#2","shared#3"]`)
	}
	if code, _, stderr := invoke(t.Context(), "", "flow", "delete", "shared#2", "--database-url", db.URL); code != exitOK {
		t.Fatal(stderr)
	}
	post("", http.StatusOK, `"left":["shared#1","shared#3"]`)
	post("?prune=true", http.StatusOK, `"flow":"shared#1","table":"flow.shared","action":"removed"`, `"flow":"shared#3"`)
	metric("1")
}
