package sqlstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore"
)

// stored takes a snapshot and loads the flow with the title in it.
func (db *rawDB) stored(id progress.FlowID) (*sqlstore.Snapshot, progress.Flow) {
	db.Helper()
	snap, err := db.store.Snapshot(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	db.Cleanup(func() { _ = snap.Close(db.Context()) })
	flow, err := snap.Flow(db.Context(), id)
	if err != nil {
		db.Fatal(err)
	}
	return snap, flow
}

// TestStoredFlow: a snapshot shows progress, dirty list, jobs and rows of one
// moment, whatever is committed afterwards, and takes nothing over.
func TestStoredFlow(t *testing.T) {
	db := newRawDB(t, 1)
	db.apply(flowFor(t, "f", "sum by (i) (m)"))
	flow := db.take("f")
	before, early := db.stored(flow.ID)
	if oldest, err := before.OldestResult(t.Context(), flow.ID); err != nil || oldest != progress.Unset {
		t.Errorf("oldest result of an empty table: %d, %v", oldest, err)
	}

	r := rounds{flow}
	round := r.next(window(minute, row("a", 1), row("b", 2)), window(3*minute, row("a", 3)))
	round.To.EmittedUntil, round.To.BeginsAfter = 3*minute, 0
	round.Add = []progress.Dirty{{WindowEnd: minute, Group: `{"i":"a"}`, Reason: "late", FirstAt: 1, LastAt: 2}}
	commitOne(t, db.store, round)
	job, err := db.store.CreateRefill(t.Context(), "f", 0, minute)
	if err != nil {
		t.Fatal(err)
	}
	again := r.next()
	again.To.EmittedUntil, again.To.BeginsAfter = 4*minute, 2*minute // where it begins stays as it was
	commitOne(t, db.store, again)

	if got, err := before.Results(t.Context(), flow.ID, 0, 9*minute); err != nil || len(got) != 0 {
		t.Errorf("rows that were written after the snapshot: %v, %v", got, err)
	}
	if early.EmittedUntil != progress.Unset || early.BeginsAfter != progress.Unset || len(early.Dirty) != 0 {
		t.Errorf("progress before: %+v", early)
	}
	after, late := db.stored(flow.ID)
	if late.Epoch != flow.Epoch || late.EmittedUntil != 4*minute || late.BeginsAfter != 0 || late.Vector.At(1) != 2 || len(late.Dirty) != 1 {
		t.Errorf("progress after: %+v", late)
	}
	jobs, err := after.PendingRefills(t.Context(), flow.ID)
	if err != nil || len(jobs) != 1 || jobs[0].ID != job || jobs[0].NextT != 0 || jobs[0].To != minute {
		t.Errorf("refills: %+v, %v", jobs, err)
	}
	if oldest, err := after.OldestResult(t.Context(), flow.ID); err != nil || oldest != minute {
		t.Errorf("oldest result: %d, %v", oldest, err)
	}
	for _, c := range []struct {
		after, upTo int64
		want        string
	}{
		{0, 3 * minute, "[{0 60000 false [{[a] 1} {[b] 2}] []} {120000 180000 false [{[a] 3}] []}]"},
		{minute, 3 * minute, "[{120000 180000 false [{[a] 3}] []}]"},
		{0, 3*minute - 1, "[{0 60000 false [{[a] 1} {[b] 2}] []}]"},
	} {
		got, err := after.Results(t.Context(), flow.ID, c.after, c.upTo)
		for _, w := range got {
			slices.SortFunc(w.Rows, func(a, b progress.Row) int { return slices.Compare(a.Columns, b.Columns) })
		}
		if fmt.Sprint(got) != c.want || err != nil {
			t.Errorf("rows in (%d,%d]: %v, %v, want %s", c.after, c.upTo, got, err, c.want)
		}
	}
	if _, err := after.Flow(t.Context(), 999); !errors.Is(err, progress.ErrFlowGone) {
		t.Errorf("a flow that is not there: %v", err)
	}
	if _, err := after.Results(t.Context(), 998, 0, 1); err == nil {
		t.Error("results of a flow that was not loaded: no error")
	}
}

// TestStoredOwnRows: of a table that rules share each sees its own rows, and
// label sets come as flowdef spells them.
func TestStoredOwnRows(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		t.Run(name, func(t *testing.T) {
			db := newRawDB(t, 1)
			flows := record(t, "r", promql, "dev", "prod")
			db.apply(flows...)
			for _, f := range flows {
				flow := db.take(f.Title())
				columns := []string{f.StaticLabels[0].Value, "a"}
				if name == "labels" {
					columns = []string{`{"env":"` + columns[0] + `","i":"a"}`}
				}
				r := rounds{flow}
				commitOne(t, db.store, r.next(window(minute, progress.Row{Columns: columns, Value: 1})))
			}
			for _, f := range flows {
				id := db.take(f.Title()).ID
				snap, _ := db.stored(id)
				got, err := snap.Results(t.Context(), id, 0, minute)
				if err != nil || len(got) != 1 || len(got[0].Rows) != 1 {
					t.Fatalf("%s: %v, %v", f.Title(), got, err)
				}
				want := []string{f.StaticLabels[0].Value, "a"}
				if name == "labels" {
					want = []string{`{"env":"` + want[0] + `","i":"a"}`}
				}
				if !slices.Equal(got[0].Rows[0].Columns, want) {
					t.Errorf("%s: columns %q, want %q", f.Title(), got[0].Rows[0].Columns, want)
				}
			}
		})
	}
}

// TestStoredWithoutTable: before a flownode has taken a flow there is no table,
// which is no error.
func TestStoredWithoutTable(t *testing.T) {
	db := newRawDB(t, 1)
	db.apply(flowFor(t, "f", "sum(m)"))
	heads, err := db.store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, flow := db.stored(heads[0].ID)
	oldest, err := snap.OldestResult(t.Context(), flow.ID)
	rows, err2 := snap.Results(t.Context(), flow.ID, 0, minute)
	if err != nil || err2 != nil || oldest != progress.Unset || len(rows) != 0 {
		t.Errorf("oldest %d, %v; rows %v, %v", oldest, err, rows, err2)
	}
	if flow.Vector.At(sequence.Region(1)) != 0 || flow.Epoch != 0 {
		t.Errorf("flow %+v", flow)
	}
}
