package flownode

import (
	"testing"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// TestManyDirtyWindowsNeedNoTrigger holds that dirty windows beyond those that
// one round looks at are not left until the trigger comes round again.
func TestManyDirtyWindowsNeedNoTrigger(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, `flows: [{name: total, promql: 'sum(sum_over_time(temperature[1s]))', every: 1s, trigger: {interval: 1h}}]`)
	w.scrape(60_000, false)
	w.tick()
	f := w.group.flows[1]
	for i := range int64(dirtyPerRound + 1) {
		f.dirty.Touch(w.base-i*1000, progress.AllGroups, flowplan.Unordered, f.flow.Vector, 0)
	}
	for round, left := range []int{1, 0} {
		more, err := w.group.round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if more != (left > 0) || f.dirty.Len() != left {
			t.Errorf("round %d: %d windows are dirty, want %d; it says that work is left: %t", round+1, f.dirty.Len(), left, more)
		}
	}
}
