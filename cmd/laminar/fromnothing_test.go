package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// TestResultsFromNothing: rules without a selector, and rules over what is not there,
// have every window of their group in the database too, over a restart, a refill and a
// group without any sample; verify finds nothing.
func TestResultsFromNothing(t *testing.T) {
	db := sqltest.New(t)
	rules := filepath.Join(t.TempDir(), "rules.yml")
	text := `groups:
- name: slo
  interval: 1s
  query_offset: 1s
  rules:
  - {record: seen, expr: sum(m)}
  - {record: objective, expr: vector(0.999), labels: {slo: a}}
  - {record: lost, expr: 'absent(nothing{job="x"})'}
  - {record: at_least, expr: 'sum(rate(nothing[1m])) or vector(0)'}
- name: alone
  interval: 1s
  query_offset: 1s
  rules:
  - {record: number, expr: 'vector(42)'}
`
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		if code, stdout, stderr := invoke(t.Context(), "", append(args, "--database-url", db.URL)...); code != exitOK {
			t.Fatalf("laminar %v: exit code %d:\n%s%s", args, code, stdout, stderr)
		}
	}
	pool := db.Pool(t)
	serve := func(while func(addr string)) {
		t.Helper()
		addr := laminartest.FreeAddr(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if code, _, stderr := invoke(ctx, "", "serve", "--database-url", db.URL, "--listen", addr, "--log-level", "error", "--flows", rules); code != exitOK {
				t.Errorf("serve ended with %d: %s", code, stderr)
			}
		}()
		defer func() { stop(); <-ended }()
		laminartest.Until(t, 4*time.Minute, "serve is ready", func() bool {
			resp, err := http.Get("http://" + addr + "/-/ready")
			return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
		})
		while(addr)
	}
	send := func(addr string) {
		t.Helper()
		postWrite(t, addr, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels: []prompb.Label{{Name: "__name__", Value: "m"}}, Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
		}}})
	}
	windows := func(table string) (n, holes int64) { // a table that is not made yet has none
		t.Helper()
		err := pool.QueryRow(t.Context(), "select count(*), coalesce(extract(epoch from max(window_end) - min(window_end))::bigint + 1 - count(*), 0) from flow."+table).Scan(&n, &holes)
		if err != nil && !strings.Contains(err.Error(), "does not exist") {
			t.Fatal(err)
		}
		return n, holes
	}
	tables := []string{"objective", "lost", "at_least"}
	serve(func(addr string) {
		laminartest.Until(t, 4*time.Minute, "windows of all tables", func() bool {
			send(addr)
			for _, table := range append(tables, "number") {
				if n, _ := windows(table); n < 5 {
					return false
				}
			}
			return true
		})
	})
	before, _ := windows("lost")
	serve(func(addr string) { // what lies between is computed as well
		laminartest.Until(t, 4*time.Minute, "windows after the restart", func() bool {
			send(addr)
			n, _ := windows("lost")
			return n > before+3
		})
		for _, table := range tables {
			if n, holes := windows(table); holes != 0 {
				t.Errorf("%s: %d windows, and %d are missing between them", table, n, holes)
			}
		}
		run("refill", "lost", "--from", "-20s")
	})
	var wrong string
	err := pool.QueryRow(t.Context(), `select concat_ws(' ',
		(select string_agg(distinct slo || value, ',') from flow.objective), (select string_agg(distinct job || value, ',') from flow.lost),
		(select string_agg(distinct value::text, ',') from flow.at_least))`).Scan(&wrong)
	if want := "a0.999 x1 0"; err != nil || wrong != want {
		t.Errorf("values are %q, want %q (%v)", wrong, want, err)
	}
	for _, flow := range append(tables, "seen") {
		if flow == "objective" {
			flow = `objective{slo="a"}`
		}
		run("verify", flow)
	}
}
