package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// TestLabelsWithoutValue: a static label that is empty or null is off the results,
// as in Prometheus, which drops labels without a value when it has set a rule's.
// The other results are what they were. It goes through file, server and table.
func TestLabelsWithoutValue(t *testing.T) {
	db := sqltest.New(t)
	addr := laminartest.FreeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if code, _, stderr := invoke(ctx, "", "serve", "--database-url", db.URL, "--listen", addr, "--log-level", "warn"); code != exitOK {
			t.Errorf("serve ended with %d: %s", code, stderr)
		}
	}()
	defer func() { stop(); <-ended }()
	laminartest.Until(t, 4*time.Minute, "serve is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})

	// The last window must have closed, 10 s after its end: else the refill leaves it.
	now := time.Now().Add(-15 * time.Second).Truncate(time.Minute).UnixMilli()
	var series []prompb.TimeSeries
	for i, k := range []string{"one", "two"} {
		s := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "g"}, {Name: "k", Value: k}, {Name: "y", Value: "theirs"}, {Name: "z", Value: "gone"}}}
		for minute := range int64(10) {
			s.Samples = append(s.Samples, prompb.Sample{Timestamp: now - (9-minute)*60_000 - 1000, Value: float64(10*(i+1)) + float64(minute)})
		}
		series = append(series, s)
	}
	postWrite(t, addr, &prompb.WriteRequest{Timeseries: series})

	rules := filepath.Join(t.TempDir(), "rules.yml")
	text := "groups:\n- name: a\n  labels: {z: kept}\n  rules:\n"
	for _, r := range []struct{ name, labels string }{{"null", "{z: null, y: a}"}, {"tilde", "{z: ~, y: a}"}, {"empty", "{z: '', y: a}"}, {"word", "{z: 'null', y: a}"}} {
		text += fmt.Sprintf("  - {record: '%s', expr: 'max by (k, y, z) (last_over_time(g[1m]))', labels: %s}\n", r.name, r.labels)
	}
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		if code, stdout, stderr := invoke(t.Context(), "", append(args, "--database-url", db.URL)...); code != exitOK {
			t.Fatalf("laminar %v: exit code %d:\n%s%s", args, code, stdout, stderr)
		}
	}
	run("flow", "apply", "-f", rules)
	pool := db.Pool(t)
	for table, z := range map[string]bool{"null": false, "tilde": false, "empty": false, "word": true} {
		run("refill", table, "--from", "-8m")
		name := pgx.Identifier{"flow", table}.Sanitize()
		rows, err := pool.Query(t.Context(), "select to_jsonb(t) - 'window_start' - 'window_end' from "+name+" t order by window_end desc, k limit 2")
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[map[string]any])
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range []string{"one", "two"} {
			want := map[string]any{"k": k, "y": "a", "value": float64(10*(i+1)) + 9}
			if z {
				want["z"] = "null"
			}
			if len(got) != 2 || fmt.Sprint(got[i]) != fmt.Sprint(want) {
				t.Errorf("%s: rows are %v, want %v", table, got, want)
			}
		}
	}
}
