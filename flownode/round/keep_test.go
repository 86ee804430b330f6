package round_test

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/sequence/segment"
)

// TestKeepWithAClockThatWasAhead: the clocks of the database and of senders are six hours
// ahead for a while, and samples of that time come. When they are right again, windows of
// the present are computed, although they are far older than what the flow has seen; so are
// those of a flow that reads it, and after a restart.
func TestKeepWithAClockThatWasAhead(t *testing.T) {
	const minute, ahead = 60_000, 6 * 3_600_000
	for seed := range uint64(4) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: counts, promql: 'sum(count_over_time(temperature[1m]))', every: 1m, keep: 10m}
  - {name: twice, promql: 'sum(counts) * 2', every: 1m, keep: 10m}
`)
		w.Scrape(5*minute, false)
		w.Tick()
		w.Clock += ahead
		w.Scrape(2*minute, false)
		w.Tick()
		w.Clock = w.Base + 6*minute
		w.Store.Now = w.Clock
		for range 5 {
			w.Scrape(minute, false)
			w.Tick()
			if seed%2 == 0 {
				w.Restart()
			}
		}
		w.Settle()
		want := map[int64]float64{}
		for _, s := range w.Committed() {
			if s.Labels.Get("__name__") != "temperature" {
				continue
			}
			for i, at := range s.Times {
				if !segment.IsStale(s.Values[i]) {
					want[(at+minute-1)/minute*minute]++
				}
			}
		}
		compared := 0
		for end := w.Base + 7*minute; end <= w.Base+11*minute; end += minute {
			if want[end] == 0 {
				continue
			}
			compared++
			for id, times := range map[progress.FlowID]float64{1: 1, 2: 2} {
				if row, ok := rowOf(w.Store.Flows[id].Rows[end], "", ""); !ok || row.Value != times*want[end] {
					t.Errorf("seed %d: flow %d at %+d s is %v, %v, want %v", seed, id, (end-w.Base)/1000, row.Value, ok, times*want[end])
				}
			}
		}
		if compared < 3 {
			t.Errorf("seed %d: only %d windows were compared", seed, compared)
		}
	}
}
