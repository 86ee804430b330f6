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

func tablesEqualEngine(t *testing.T, flows string) {
	t.Helper()
	seeds := uint64(4)
	if testing.Short() {
		seeds = 3
	}
	for seed := uint64(1); seed <= seeds; seed++ {
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
