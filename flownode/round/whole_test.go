package round_test

import (
	"context"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
)

const wholeFlows = `
flows:
  - {name: median, promql: 'sum by (job) (quantile_over_time(0.5, temperature[4m]))', every: 15s, emit: close}
  - {name: peak, promql: 'max_over_time(sum by (job) (rate(requests_total[2m]))[10m:1m])', every: 30s, emit: close}
`

// TestWholeWithinBudget: when a round's time is up from the start, a flow
// computes one window in it, closed or dirty, leaves the others to the next
// rounds, and loses none of them.
func TestWholeWithinBudget(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 1, flowdef.ExecutorColumnar, wholeFlows)
	w.Budget = 0
	settle := func() (rounds int) {
		for rounds = range 2000 {
			more, err := w.Round(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				return rounds + 1
			}
		}
		t.Fatal("rounds never come to an end")
		return 0
	}
	for range 10 {
		w.Scrape(60_000, false)
	}
	if n := settle(); n < 30 {
		t.Errorf("windows of 10 minutes every 15 s were computed in %d rounds: the budget is not kept", n)
	}
	w.Check()
	w.Scrape(5*60_000, true)
	settle()
	w.Store.Now += flowplan.DirtyAtLatest
	if n := settle(); n < 5 {
		t.Errorf("dirty windows were computed in %d rounds: the budget is not kept", n)
	}
	w.Check()
	for id, mf := range w.Store.Flows {
		if len(mf.Dirty) > 0 {
			t.Errorf("flow %d keeps dirty windows: %v", id, mf.Dirty)
		}
	}
}
