package round_test

import (
	"fmt"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/round"
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

// TestOpenWindowIsPutOff: an open window that is read from raw samples every time waits four
// times as long as it took, however many samples come, and is computed then if none does.
func TestOpenWindowIsPutOff(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: middle, promql: 'max(quantile_over_time(0.5, temperature[5m]))', every: 5m}]`)
	clock, took := w.Machine.Now(), 10*time.Millisecond
	w.Machine.Now = func() time.Time {
		clock = clock.Add(took)
		return clock
	}
	computed := func() int {
		before := w.Counts.Windows[round.Provisional]
		w.Tick()
		return w.Counts.Windows[round.Provisional] - before
	}
	w.Scrape(60_000, false)
	if n := computed(); n != 1 {
		t.Fatalf("the open window was computed %d times at first", n)
	}
	took = 0
	for range 3 {
		w.Scrape(15_000, false)
		if n := computed(); n != 0 {
			t.Errorf("the open window was computed %d times in no time", n)
		}
	}
	clock = clock.Add(40 * time.Millisecond)
	if n := computed(); n != 1 {
		t.Errorf("the open window was computed %d times after a while", n)
	}
	w.Check()
}
