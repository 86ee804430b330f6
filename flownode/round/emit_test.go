package round_test

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// TestEmitChanges: a flow whose emit is changed between two owners goes on with what is
// stored. A window that was open then has its final rows once it has closed, whatever
// provisional ones stood there.
func TestEmitChanges(t *testing.T) {
	for seed := range seeds(6, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: rate2m, promql: 'sum by (job) (rate(requests_total[2m]))', every: 1m}
  - {name: each, promql: 'temperature > 20', every: 1m}
  - {name: ratio, promql: 'sum by (job) (errors_total) / sum by (job) (requests_total)', every: 30s, emit: close}
  - {name: above, promql: 'max_over_time(rate2m[3m])', every: 1m}
`)
			turned := map[flowdef.Emit]int{}
			for range 6 {
				for range 6 {
					w.Act()
				}
				for _, mf := range w.Store.Flows {
					def := &mf.Flow.Def
					for end, rows := range mf.Rows {
						if end > mf.Flow.EmittedUntil && len(rows) > 0 {
							turned[def.Emit]++ // while it has provisional rows
						}
					}
					if def.Emit = flowdef.EmitClose; w.Rng.IntN(2) == 0 {
						def.Emit = flowdef.EmitUpdate
					}
				}
				w.Restart()
				w.Scrape(4*60_000, false) // what was open closes
				w.Tick()
				w.SettleAll()
			}
			if turned[flowdef.EmitUpdate] < 5 {
				t.Errorf("%d provisional windows before a change: the scenario tests too little", turned[flowdef.EmitUpdate])
			}
		})
	}
}
