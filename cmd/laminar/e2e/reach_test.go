package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// TestReach holds flows that read beyond the ends of their windows, and at a
// fixed time, to Prometheus's engine: over twenty minutes of a fleet's samples,
// some of them late, with a kill and a seal in between, and over samples that
// come to the fixed time long after all windows have closed.
func TestReach(t *testing.T) {
	t.Parallel()
	start := time.Now().Add(-20 * time.Minute).Truncate(time.Minute)
	fixed := start.Add(6 * time.Minute)
	definitions := filepath.Join(t.TempDir(), "reach.yml")
	text := fmt.Sprintf(`flows:
  - {name: ahead, promql: 'sum by (job) (rate(http_requests_total[2m] offset -3m))', every: 1m}
  - {name: around, promql: 'sum by (job) (http_requests_total offset -1m) - sum by (job) (http_requests_total offset 1m)', every: 1m}
  - {name: ahead_batch, promql: 'quantile by (job) (0.5, max_over_time(node_load1[90s] offset -30s))', every: 1m}
  - {name: since, promql: 'sum by (job) (http_requests_total) - sum by (job) (http_requests_total @ %[1]d)', every: 1m, emit: close}
  - {name: share, promql: 'sum by (job) (rate(http_requests_total[2m])) / on (job) sum by (job) (rate(http_requests_total[4m] @ %[1]d))', every: 1m, emit: close}
`, fixed.Unix())
	if err := os.WriteFile(definitions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := laminartest.New(t, "--flows", definitions)
	in.Serve()

	opts := fleet.DefaultOptions()
	opts.Interval = 10 * time.Second
	f := fleet.New(opts)
	sent := laminartest.NewAcknowledged(f.Series())
	client, err := fleet.NewClient(in.WriteURL(), 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	send := func(points []fleet.Point) {
		t.Helper()
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatal(err)
		}
		sent.Add(points)
	}
	scrapes := int(20 * time.Minute / opts.Interval)
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		switch i {
		case scrapes / 2:
			in.Must("seal", "--force")
		case scrapes * 2 / 3:
			in.Kill()
			in.Serve()
		case scrapes:
			points = append(points, f.Pending()...)
		}
		send(points)
	}
	in.Must("flow", "wait", "--timeout", "4m")
	compare := func() {
		t.Helper()
		flows := laminartest.ParseFlows(t, definitions)
		windows := laminartest.RequireTables(t, in.Pool(), flows, sent.EngineSamples(), start.UnixMilli())
		if windows < len(flows)*10 {
			t.Errorf("only %d windows were compared", windows)
		}
		in.Must("verify")
	}
	compare()

	// A window that ended three minutes ago is not closed where three more
	// minutes are read.
	// The clock goes on, and the flows advance one after the other.
	pool := in.Pool()
	eventually(t, "windows are closed three minutes later where they read as much beyond", func() bool {
		return count(t, pool, `select (select emitted_until from laminar.flow where name = 'since') -
			(select emitted_until from laminar.flow where name = 'ahead')`) == 3*60_000
	})

	// Late samples at the fixed time: all windows change.
	points = points[:0]
	for i, samples := range sent.Samples {
		for at, v := range samples {
			if at > fixed.Add(-10*time.Second).UnixMilli() && at <= fixed.UnixMilli() {
				points = append(points, fleet.Point{Series: i, T: at, V: v + 1})
			}
		}
	}
	if len(points) == 0 {
		t.Fatal("no samples at the fixed time")
	}
	send(points)
	in.Must("flow", "wait", "--timeout", "4m")
	compare()

	var shown []struct {
		Mode string `json:"mode"`
	}
	out := in.Must("flow", "show", "since", "--output", "json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || len(shown) != 1 || shown[0].Mode != "batch" || !strings.Contains(out, "@ holds a selector at a fixed time") {
		t.Errorf("flow show says %s (%v)", out, err)
	}
	if out := in.Must("flow", "show", "ahead"); !strings.Contains(out, "incremental") || !strings.Contains(out, "windows close 3m later") {
		t.Errorf("flow show says %s", out)
	}

	// What retention has reached, or soon will, is refused.
	gone := filepath.Join(t.TempDir(), "gone.yml")
	if err := os.WriteFile(gone, []byte("- {as: gone, every: 1m, promql: 'node_load1 - node_load1 @ 1600000000'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.WantFailure(t, 1, "with @ it reads samples from 2020-09-13T12:21:40.001Z on, but raw samples are kept for", "flow", "apply", "-f", gone)
}
