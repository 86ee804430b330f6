package flownode

import (
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
)

// TestStepperGoesByItsClock holds that a stepper finds commits only by a wake
// or a poll, and makes rounds when the trigger says by the clock it was given.
func TestStepperGoesByItsClock(t *testing.T) {
	w := newWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(sum_over_time(temperature[1m]))', every: 1m, trigger: {interval: 10s}}]`)
	step, err := NewStepper(Config{
		Snapshots: w.store, Catalog: w.store, Results: w.store, Jobs: w.store, Elector: w.store,
		Now: func() time.Time { return time.UnixMilli(w.store.now) },
	})
	if err != nil {
		t.Fatal(err)
	}
	expectAt := func(what string, current bool) time.Duration {
		t.Helper()
		wait := step.Step(t.Context())
		if got := w.store.flows[progress.FlowID(1)].flow.Vector.Equal(w.store.vec); got != current {
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
	w.scrape(60_000, false)
	expectAt("before the first poll", false)
	poll()
	expectAt("after it", true)
	now := w.store.now
	w.scrape(20_000, false)
	w.store.now = now // time alone makes rounds as well
	expectAt("nobody said that there are samples", false)
	poll()
	wait := expectAt("the interval is not over", false)
	if wait <= 0 || wait > 10*time.Second {
		t.Fatalf("the next round is in %s", wait)
	}
	w.store.now += wait.Milliseconds()
	expectAt("after the interval", true)
	w.scrape(20_000, false)
	step.Wake()
	expectAt("woken", true)
}
