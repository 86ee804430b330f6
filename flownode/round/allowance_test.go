package round_test

import (
	"errors"
	"fmt"
	"testing"

	"laminar/flownode/allowance"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
)

// TestStateTogether: where the state of all flows takes more than it may, some flows keep theirs
// and the others compute their windows from raw samples. Tables are what Prometheus's engine
// gives all the same, and what is kept comes back to what there may be.
func TestStateTogether(t *testing.T) {
	with, without := 0, 0
	for seed := uint64(1); seed <= seeds(6, 2); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := roundtest.NewWorld(t, seed, int(seed%3)+1, flowdef.ExecutorColumnar, roundtest.OracleFlows)
			most := []int64{2_000, 20_000, 100_000}[seed%3]
			w.Machine.Allowance, w.Machine.MaxStateBytes = allowance.New(most), most
			kept := func() (n int64) {
				for _, f := range w.Flows {
					n += f.Leaves.Bytes()
				}
				return n
			}
			for range 40 {
				w.Step()
				for _, f := range w.Flows {
					for _, l := range f.Leaves {
						if l.State != nil && l.State.Bytes() > 0 {
							with++
						} else if l.State == nil && len(l.Members.Series) > 0 {
							without++
						}
					}
				}
			}
			for range 3 {
				w.Store.Now += flowplan.DirtyAtLatest
				w.Tick()
			}
			if n := kept(); n > most {
				t.Errorf("%d bytes of state are kept, %d may be", n, most)
			}
			w.Check()
		})
	}
	if with < 100 || without < 100 {
		t.Errorf("%d times a leaf had state, and %d times it had none, which says little", with, without)
	}
}

// TestWindowTooLarge: a window that takes more memory than flows may take ends the round of its
// flow with an error that says so and what to do; with enough memory it goes on.
func TestWindowTooLarge(t *testing.T) {
	for _, promql := range []string{`sum by (job) (rate(requests_total[5m]))`, `max(max_over_time(rate(requests_total[5m])[10m:1m]))`} {
		w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, "flows:\n  - {name: large, every: 1m, promql: '"+promql+"'}\n")
		w.Machine.Allowance, w.Machine.MaxStateBytes, w.Reading.MostBytes = allowance.New(100), 100, 100
		var failed error
		for range 20 {
			w.Scrape(60_000, false)
			w.Store.Now = max(w.Store.Now, w.Clock)
			for more := true; more && failed == nil; {
				more, failed = w.Round(t.Context())
			}
		}
		var own *round.FlowError
		var much *read.TooMuchError
		if !errors.As(failed, &own) || !errors.As(failed, &much) || own.Name != "large" || much.Hint() == "" {
			t.Errorf("%s: %v", promql, failed)
		}
		w.Machine.Allowance, w.Machine.MaxStateBytes, w.Reading.MostBytes = nil, 1<<30, 0
		w.SettleAll()
	}
}
