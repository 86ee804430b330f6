package flownode

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
)

// TestTablesEqualEngine drives flows of many shapes through random histories
// and compares every window with Prometheus's engine after every step.
func TestTablesEqualEngine(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 3
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			executor := flowdef.ExecutorColumnar
			if seed%3 == 0 {
				executor = flowdef.ExecutorPushdown
			}
			w := newWorld(t, seed, int(seed%3)+1, executor, oracleFlows)
			for range 60 {
				w.step()
			}
			// In the end everything is recomputed.
			for range 3 {
				w.store.now += flowplan.DirtyAtLatest
				w.tick()
			}
			for id, mf := range w.store.flows {
				if len(mf.dirty) > 0 {
					t.Fatalf("flow %d keeps dirty windows: %v", id, mf.dirty)
				}
			}
			w.check()
		})
	}
}
