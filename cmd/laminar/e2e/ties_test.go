package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// TestEqualValues: of equal values topk keeps those with the smallest labels, in
// tables, in batch mode, after a restart and after a refill, in whatever order the
// series came; verify agrees.
func TestEqualValues(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ties.yml")
	writeFile(t, path, `
flows:
  - {name: first, promql: 'topk by (pod) (1, max by (pod, node) (pod_info))', every: 1m}
  - {name: joined, promql: 'max by (pod, node) (pod_info) + on (pod, node) topk by (pod) (1, max by (pod, node) (pod_info))', every: 1m}
  - {name: whole, promql: 'last_over_time(bottomk by (pod) (1, max by (pod, node) (pod_info) * 2)[1m:1m])', every: 1m}
`)
	in := laminartest.New(t, "--flows", path)
	in.Serve()
	var series [][]fleet.Label
	for pod := range 4 {
		for node := 3; node >= 1; node-- {
			series = append(series, []fleet.Label{
				{Name: "__name__", Value: "pod_info"}, {Name: "node", Value: fmt.Sprintf("n%d", node)}, {Name: "pod", Value: fmt.Sprintf("p%d", pod)}})
		}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	const scrapes, interval = 24, 30 * time.Second
	begin := time.Now().Add(-time.Hour).Truncate(time.Minute)
	for i := range scrapes {
		at := begin.Add(time.Duration(i+1) * interval).UnixMilli()
		// One series at a time, so that regions and ids are shared out at random.
		for _, s := range rng.Perm(len(series)) {
			body, err := fleet.Encode(series[s:s+1], []fleet.Point{{T: at, V: 1}})
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("a write is answered %s", resp.Status)
			}
		}
		if i == scrapes/2 {
			in.Kill()
			in.Serve()
		}
	}
	pool := in.Pool()
	check := func(when string) {
		t.Helper()
		in.Must("flow", "wait", "--timeout", "4m")
		for table, value := range map[string]int{"first": 1, "joined": 2, "whole": 2} {
			// A row for each pod in each closed window, and all of n1. One statement counts them:
			// more windows close, by the clock, a minute after the last sample.
			var windows, right, all int
			err := pool.QueryRow(t.Context(), "select count(distinct window_end), count(*) filter (where node = 'n1' and value = $1), count(*) from flow."+table,
				value).Scan(&windows, &right, &all)
			if err != nil {
				t.Fatal(err)
			}
			if windows < scrapes/2-1 || right != 4*windows || all != right {
				t.Errorf("%s: %s has %d rows in %d windows, %d of them right", when, table, all, windows, right)
			}
		}
		if state, stderr, code := verify(t, in); code != laminartest.ExitOK || len(state.Flows) != 3 {
			t.Errorf("%s: verify ends with %d\n%s", when, code, stderr)
		}
	}
	check("kept")
	for _, flow := range []string{"first", "joined", "whole"} {
		in.Must("refill", flow, "--from", begin.Format(time.RFC3339), "--to", "now")
	}
	check("refilled")
}
