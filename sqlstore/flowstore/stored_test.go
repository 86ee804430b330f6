package flowstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// storedFlow takes a snapshot and loads the flow with the title in it.
func storedFlow(db *sqltest.RawDB, id progress.FlowID) (*flowstore.Stored, progress.Flow) {
	db.Helper()
	snap, err := db.Store.Catalogue.Stored(db.Context())
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
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	flow := db.Take("f")
	before, early := storedFlow(db, flow.ID)
	if oldest, err := before.OldestResult(t.Context(), flow.ID); err != nil || oldest != sequence.NoTime {
		t.Errorf("oldest result of an empty table: %d, %v", oldest, err)
	}

	r := sqltest.Rounds{Flow: flow}
	round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 2)), sqltest.Window(3*sqltest.Minute, sqltest.Row("a", 3)))
	round.To.EmittedUntil, round.To.BeginsAfter = 3*sqltest.Minute, 0
	round.Add = []progress.Dirty{{WindowEnd: sqltest.Minute, Group: `{"i":"a"}`, Reason: "late", FirstAt: 1, LastAt: 2}}
	sqltest.CommitOne(t, db.Store, round)
	asked, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, "f", 0, sqltest.Minute)
	if err != nil {
		t.Fatal(err)
	}
	job := asked[0]
	again := r.Next()
	again.To.EmittedUntil, again.To.BeginsAfter = 4*sqltest.Minute, 2*sqltest.Minute // where it begins stays as it was
	sqltest.CommitOne(t, db.Store, again)

	if got, err := before.Results(t.Context(), flow.ID, sequence.Span{UpTo: 9 * sqltest.Minute}); err != nil || len(got) != 0 {
		t.Errorf("rows that were written after the snapshot: %v, %v", got, err)
	}
	if early.EmittedUntil != sequence.NoTime || early.BeginsAfter != sequence.NoTime || len(early.Dirty) != 0 {
		t.Errorf("progress before: %+v", early)
	}
	after, late := storedFlow(db, flow.ID)
	if late.Epoch != flow.Epoch || late.EmittedUntil != 4*sqltest.Minute || late.BeginsAfter != 0 || late.Vector.At(1) != 2 || len(late.Dirty) != 1 {
		t.Errorf("progress after: %+v", late)
	}
	jobs, err := after.PendingRefills(t.Context(), flow.ID)
	if err != nil || len(jobs) != 1 || jobs[0].ID != job || jobs[0].NextT != 0 || jobs[0].To != sqltest.Minute {
		t.Errorf("refills: %+v, %v", jobs, err)
	}
	if oldest, err := after.OldestResult(t.Context(), flow.ID); err != nil || oldest != sqltest.Minute {
		t.Errorf("oldest result: %d, %v", oldest, err)
	}
	for _, c := range []struct {
		after, upTo int64
		want        string
	}{
		{0, 3 * sqltest.Minute, "[{0 60000 false [{[a] 0 1 <nil>} {[b] 0 2 <nil>}] [] } {120000 180000 false [{[a] 0 3 <nil>}] [] }]"},
		{sqltest.Minute, 3 * sqltest.Minute, "[{120000 180000 false [{[a] 0 3 <nil>}] [] }]"},
		{0, 3*sqltest.Minute - 1, "[{0 60000 false [{[a] 0 1 <nil>} {[b] 0 2 <nil>}] [] }]"},
	} {
		got, err := after.Results(t.Context(), flow.ID, sequence.Span{After: c.after, UpTo: c.upTo})
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
	if _, err := after.Results(t.Context(), 998, sequence.Span{UpTo: 1}); err == nil {
		t.Error("results of a flow that was not loaded: no error")
	}
}

// TestStoredOwnRows: of a table that rules share each sees its own rows, and
// label sets come as flowdef spells them.
func TestStoredOwnRows(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		t.Run(name, func(t *testing.T) {
			db := sqltest.NewRawDB(t, 1)
			flows := sqltest.Record(t, "r", promql, "dev", "prod")
			db.Apply(flows...)
			for _, f := range flows {
				flow := db.Take(f.Title())
				columns := []string{f.StaticLabels[0].Value, "a"}
				if name == "labels" {
					columns = []string{`{"env":"` + columns[0] + `","i":"a"}`}
				}
				r := sqltest.Rounds{Flow: flow}
				sqltest.CommitOne(t, db.Store, r.Next(sqltest.Window(sqltest.Minute, progress.Row{Columns: columns, Value: 1})))
			}
			for _, f := range flows {
				id := db.Take(f.Title()).ID
				snap, _ := storedFlow(db, id)
				got, err := snap.Results(t.Context(), id, sequence.Span{UpTo: sqltest.Minute})
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
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"))
	heads, err := db.Store.Catalogue.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, flow := storedFlow(db, heads[0].ID)
	oldest, err := snap.OldestResult(t.Context(), flow.ID)
	rows, err2 := snap.Results(t.Context(), flow.ID, sequence.Span{UpTo: sqltest.Minute})
	if err != nil || err2 != nil || oldest != sequence.NoTime || len(rows) != 0 {
		t.Errorf("oldest %d, %v; rows %v, %v", oldest, err, rows, err2)
	}
	if flow.Vector.At(sequence.Region(1)) != 0 || flow.Epoch != 0 {
		t.Errorf("flow %+v", flow)
	}
}

// TestStoredResultsAt: looking windows up one by one gives what reading all and leaving
// others out gives, of tables with columns, with one labels column, and of rules that share.
func TestStoredResultsAt(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		t.Run(name, func(t *testing.T) {
			db := sqltest.NewRawDB(t, 1)
			flows := sqltest.Record(t, "r", promql, "dev", "prod")
			db.Apply(flows...)
			for n, f := range flows {
				r := sqltest.Rounds{Flow: db.Take(f.Title())}
				var windows []progress.Window
				for end := sqltest.Minute; end <= 60*sqltest.Minute; end += sqltest.Minute {
					var rows []progress.Row
					for i := range 3 {
						columns := []string{f.StaticLabels[0].Value, fmt.Sprint(i)}
						if name == "labels" {
							columns = []string{fmt.Sprintf(`{"env":"%s","i":"%d"}`, columns[0], i)}
						}
						if (end/sqltest.Minute+int64(i))%5 > 0 {
							rows = append(rows, progress.Row{Columns: columns, Value: float64(int(end) + 10*i + n)})
						}
					}
					windows = append(windows, sqltest.Window(end, rows...))
				}
				sqltest.CommitOne(t, db.Store, r.Next(windows...))
			}
			for _, f := range flows {
				id := db.Take(f.Title()).ID
				snap, _ := storedFlow(db, id)
				for _, at := range [][3]int64{{1, 60, 1}, {5, 50, 5}, {3, 58, 11}, {7, 7, 4}, {59, 70, 3}, {62, 70, 2}} {
					first, last, step := at[0]*sqltest.Minute, at[1]*sqltest.Minute, at[2]*sqltest.Minute
					all, err := snap.Results(t.Context(), id, sequence.Between(first, last))
					if err != nil {
						t.Fatal(err)
					}
					wanted := func(list []progress.Window) []progress.Window {
						for _, w := range list {
							slices.SortFunc(w.Rows, func(a, b progress.Row) int { return slices.Compare(a.Columns, b.Columns) })
						}
						return slices.DeleteFunc(list, func(w progress.Window) bool { return (w.End-first)%step != 0 })
					}
					got, err := snap.ResultsAt(t.Context(), id, first, last, step, 1000)
					if got, want := wanted(got), wanted(all); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s at %v:\n%v, %v\nwant\n%v", f.Title(), at, got, err, want)
					}
				}
			}
		})
	}
}
