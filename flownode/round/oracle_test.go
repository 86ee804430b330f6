package round_test

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
)

// TestTablesEqualEngine drives flows of many shapes through random histories
// and compares every window with Prometheus's engine after every step.
func TestTablesEqualEngine(t *testing.T) { tablesEqualEngine(t, roundtest.OracleFlows) }

// TestRelabelledTablesEqualEngine is TestTablesEqualEngine for flows that relabel what they
// select; the engine sees series that Prometheus's own code has relabelled.
func TestRelabelledTablesEqualEngine(t *testing.T) { tablesEqualEngine(t, roundtest.RelabelFlows) }

// TestTablesOfOwnFunctions does the same with functions that Laminar adds to PromQL, and
// with panes that are shifted by a part of a second.
func TestTablesOfOwnFunctions(t *testing.T) {
	tablesEqualEngine(t, `
flows:
  - {name: pure, promql: 'sum by (job) (increase_pure(requests_total[3m]))', every: 1m}
  - {name: pure_series, promql: 'increase_pure(errors_total[1m] offset 1ms)', every: 1m, lookback: 90s}
  - {name: pure_long, promql: 'sum(increase_pure(requests_total[1007s]))', every: 1m, emit: close, lookback: 100s}
  - {name: half_open, promql: 'sum by (job) (sum_over_time(temperature[1m] offset 1ms)) / sum by (job) (count_over_time(temperature[1m] offset 1ms))', every: 1m}
  - {name: pure_again, promql: 'sum without (n) (increase_pure(requests_total[2m] offset 1m))', every: 30s}
  - {name: pure_ahead, promql: 'max by (job) (increase_pure(errors_total[2m] offset -90s))', every: 1m, emit: close}
  - {name: pure_sub, promql: 'max_over_time(sum by (job) (increase_pure(requests_total[1m]))[4m:1m])', every: 1m, emit: close}
  - {name: halves, promql: 'max by (job) (max_over_time(temperature[90s] offset 1500ms)) - min by (job) (temperature offset 1999ms)', every: 30s}
`)
}

// TestSketchTablesEqualEngine is TestTablesEqualEngine of flows that keep sketches.
func TestSketchTablesEqualEngine(t *testing.T) { tablesEqualEngine(t, roundtest.SketchFlows) }

// seeds is how many histories a test draws; short, with -short.
func seeds(whole, short uint64) uint64 {
	if testing.Short() {
		return short
	}
	return whole
}

func tablesEqualEngine(t *testing.T, flows string) {
	t.Helper()
	for seed := uint64(1); seed <= seeds(4, 1); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			setting := flowdef.ExecutorColumnar
			if seed%3 == 0 {
				setting = flowdef.ExecutorPushdown
			}
			w := roundtest.NewWorld(t, seed, int(seed%3)+1, setting, flows)
			for range 60 {
				w.Step()
			}
			// In the end everything is recomputed.
			for range 3 {
				w.Store.Now += flowplan.DirtyAtLatest
				w.Tick()
			}
			for id, mf := range w.Store.Flows {
				if len(mf.Dirty) > 0 {
					t.Fatalf("flow %d keeps dirty windows: %v", id, mf.Dirty)
				}
			}
			w.Check()
		})
	}
}
