package round_test

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
)

// TestManyDirtyWindowsNeedNoTrigger holds that dirty windows beyond those that
// one round looks at are not left until the trigger comes round again.
func TestManyDirtyWindowsNeedNoTrigger(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(sum_over_time(temperature[1s]))', every: 1s, trigger: {interval: 1h}}]`)
	w.Scrape(60_000, false)
	w.Tick()
	f := w.Flows[1]
	for i := range int64(round.DirtyPerRound + 1) {
		f.DirtyWindows.Touch(w.Base-i*1000, progress.AllGroups, progress.Unordered, f.Vector, 0)
	}
	for n, left := range []int{1, 0} {
		more, err := w.Round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if more != (left > 0) || f.DirtyWindows.Len() != left {
			t.Errorf("round %d: %d windows are dirty, want %d; it says that work is left: %t", n+1, f.DirtyWindows.Len(), left, more)
		}
	}
}

// TestProvisionalWindowIsKept holds that an open window some of whose samples
// are given up stays as it is (I6): no later round could put it right.
func TestProvisionalWindowIsKept(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(count_over_time(temperature[2h]))', every: 1h}]`)
	w.Scrape(600_000, false)
	w.Tick()
	mf := w.Store.Flows[1]
	end := mf.Flow.EmittedUntil + 3_600_000
	before := len(mf.Rows[end])
	w.Store.Earliest = w.Clock
	w.Scrape(600_000, false)
	held := map[string]progress.Row{}
	for key, row := range mf.Rows[end] {
		held[key] = row
	}
	w.Tick()
	if before == 0 || len(mf.Rows[end]) != before {
		t.Fatalf("%d rows of the open window became %d", before, len(mf.Rows[end]))
	}
	for key, row := range mf.Rows[end] {
		if row.Value != held[key].Value {
			t.Errorf("the open window, whose samples are gone, changed from %v to %v", held[key].Value, row.Value)
		}
	}
}
