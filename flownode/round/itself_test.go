package round_test

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// TestItselfGoesOn: what flows give by their own results alone goes on when no samples
// come any more: time brings their rounds, and each window has its rows.
func TestItselfGoesOn(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: 'last', promql: 'max by (job) (temperature) or last', every: 30s}
  - {name: 'base', promql: 'count(temperature)', every: 30s}
  - {name: 'passed', promql: '(base or passed) + 1', every: 1m}
`)
	for range 3 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	for range 150 {
		next := sequence.EndOfTime
		for _, f := range w.Flows {
			if at := f.Deadline(); at != sequence.NoTime {
				next = min(next, at)
			}
		}
		if next == sequence.EndOfTime {
			t.Fatalf("nothing is to come after %+d s", (w.Store.Now-w.Base)/1000)
		}
		w.Store.Now = max(w.Store.Now, next)
		w.Tick()
	}
	w.SettleAll()
	for _, f := range []*roundtest.MemFlow{w.Store.Flows[1], w.Store.Flows[3]} {
		if f.Flow.EmittedUntil < w.Base+40*60_000 {
			t.Fatalf("%s is at %+d s only", f.Flow.Def.Name, (f.Flow.EmittedUntil-w.Base)/1000)
		}
		for end := w.Base + 3*60_000; end <= f.Flow.EmittedUntil; end += f.Flow.Def.Every {
			if len(f.Rows[end]) == 0 {
				t.Fatalf("%s has no rows at %+d s", f.Flow.Def.Name, (end-w.Base)/1000)
			}
		}
	}
}
