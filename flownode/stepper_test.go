package flownode

import (
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
)

// TestStepperGoesByItsClock holds that a stepper finds commits only by a wake
// or a poll, and makes rounds when the trigger says by the clock it was given.
func TestStepperGoesByItsClock(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(sum_over_time(temperature[1m]))', every: 1m, trigger: {interval: 10s}}]`)
	step, err := NewStepper(Config{
		Snapshots: w.Store, Catalog: w.Store, Results: w.Store, Jobs: w.Store, Elector: w.Store,
		Now: func() time.Time { return time.UnixMilli(w.Store.Now) },
	})
	if err != nil {
		t.Fatal(err)
	}
	expectAt := func(what string, current bool) time.Duration {
		t.Helper()
		wait := step.Step(t.Context())
		if got := w.Store.Flows[progress.FlowID(1)].Flow.Vector.Equal(w.Store.Vec); got != current {
			t.Fatalf("%s: the flow has read everything: %t", what, got)
		}
		return wait
	}
	poll := func() {
		t.Helper()
		if err := step.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.Scrape(60_000, false)
	expectAt("before the first poll", false)
	poll()
	expectAt("after it", true)
	now := w.Store.Now
	w.Scrape(20_000, false)
	w.Store.Now = now // time alone makes rounds as well
	expectAt("nobody said that there are samples", false)
	poll()
	wait := expectAt("the interval is not over", false)
	if wait <= 0 || wait > 10*time.Second {
		t.Fatalf("the next round is in %s", wait)
	}
	w.Store.Now += wait.Milliseconds()
	expectAt("after the interval", true)
	w.Scrape(20_000, false)
	step.Wake()
	expectAt("woken", true)
}
