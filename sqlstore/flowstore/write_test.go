package flowstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// modelTable is what a flow's table must hold: value by window end and key.
type modelTable map[int64]map[string]float64

// apply is the rule of progress.Window, and the number of rows that it inserts,
// changes or deletes.
func (m modelTable) apply(w progress.Window) (changed int64) {
	rows := m[w.End]
	if rows == nil {
		rows = map[string]float64{}
		m[w.End] = rows
	}
	fresh := map[string]bool{}
	for _, r := range w.Rows {
		key := fmt.Sprint(r.Columns)
		fresh[key] = true
		if old, ok := rows[key]; !ok || old != r.Value {
			rows[key] = r.Value
			changed++
		}
	}
	gone := map[string]bool{}
	for _, columns := range w.Gone {
		gone[fmt.Sprint(columns)] = true
	}
	for key := range rows {
		if gone[key] || w.Complete && !fresh[key] {
			delete(rows, key)
			changed++
		}
	}
	return changed
}

// TestCommitAgainstModel writes windows of all sizes in random ways, complete
// and in part, new and known, two flows sharing the table, and holds table and
// counts against the rule. Sizes are such that all ways of writing are taken.
func TestCommitAgainstModel(t *testing.T) {
	for _, layout := range []string{"columns", "labels"} {
		t.Run(layout, func(t *testing.T) {
			db := sqltest.NewRawDB(t, 2)
			promql := map[string]string{"columns": "sum by (a, b) (m)", "labels": "m"}[layout]
			db.Apply(sqltest.Record(t, "r", promql, "prod", "test")...)
			rng := rand.New(rand.NewPCG(7, 7))
			flows := []*sqltest.Rounds{{Flow: db.Take(`r{env="prod"}`)}, {Flow: db.Take(`r{env="test"}`)}}
			models := []modelTable{{}, {}}
			key := func(env string, n int) []string {
				a, b := fmt.Sprint("a", n%3), fmt.Sprint("b ä'\\", n)
				if layout == "labels" {
					return []string{fmt.Sprintf(`{"a":%q,"b":%q,"env":%q}`, a, b, env)}
				}
				return []string{a, b, env}
			}
			for step := range 40 {
				k := rng.IntN(2)
				env := []string{"prod", "test"}[k]
				var windows []progress.Window
				var want int64
				for _, end := range rng.Perm(6)[:1+rng.IntN(3)] {
					w := progress.Window{Start: int64(end) * sqltest.Minute, End: int64(end+1) * sqltest.Minute, Complete: rng.IntN(2) == 0}
					most := []int{3, 30, 400, 2500}[rng.IntN(4)]
					goes := []int{1, 7}[rng.IntN(2)] // rows of eight, where the window is written in part
					for n := range most {
						switch k := rng.IntN(8); {
						case k < goes && !w.Complete:
							w.Gone = append(w.Gone, key(env, n))
						case k < 2:
						default:
							w.Rows = append(w.Rows, progress.Row{Columns: key(env, n), Value: float64(rng.IntN(2))})
						}
					}
					windows = append(windows, w)
					want += models[k].apply(w)
				}
				if out := sqltest.CommitOne(t, db.Store, flows[k].Next(windows...)); out.RowsWritten != want {
					t.Fatalf("step %d: %d rows changed, want %d", step, out.RowsWritten, want)
				}
			}
			for k, env := range []string{"prod", "test"} {
				got := modelTable{}
				snap, err := db.Store.Catalogue.Stored(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer snap.Close(t.Context())
				if _, err := snap.Flow(t.Context(), flows[k].Flow.ID); err != nil {
					t.Fatal(err)
				}
				stored, err := snap.Results(t.Context(), flows[k].Flow.ID, sequence.Span{After: -1, UpTo: 1 << 50})
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range stored {
					if w.Start != w.End-sqltest.Minute {
						t.Errorf("a window from %d to %d", w.Start, w.End)
					}
					got.apply(w)
				}
				maps.DeleteFunc(models[k], func(_ int64, rows map[string]float64) bool { return len(rows) == 0 })
				if !maps.EqualFunc(got, models[k], maps.Equal[map[string]float64, map[string]float64]) {
					t.Errorf("the rows of %s are not what was written", env)
				}
			}
		})
	}
}

// TestCommitOverHandMadeRows: rows that somebody's hand puts into a window that
// is new, while it is being copied, do not stop the flow.
func TestCommitOverHandMadeRows(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	// The hand moves once, after it was found that the window has no rows.
	db.Exec("create sequence meddled")
	db.Exec(`create function meddle() returns trigger language plpgsql as $$ begin
		if new.i = '0' and nextval('meddled') = 1 then
			insert into flow.f (window_start, window_end, i, value) values (new.window_start, new.window_end, '500', -1);
		end if;
		return new; end $$`)
	db.Exec("create trigger meddle before insert on flow.f for each row execute function meddle()")
	w := sqltest.Window(sqltest.Minute)
	for n := range 1000 {
		w.Rows = append(w.Rows, sqltest.Row(fmt.Sprint(n), float64(n)))
	}
	sqltest.CommitOne(t, db.Store, r.Next(w))
	if n, sum := sqltest.ScanOne[int64](db, "select count(*) from flow.f"), sqltest.ScanOne[float64](db, "select sum(value) from flow.f"); n != 1000 || sum != 999*500 {
		t.Errorf("%d rows with the sum %g, want 1000 with %d", n, sum, 999*500)
	}
}

// TestLabelsNamedLikeStandIns: names that mean something in the files of
// statements, or need quoting, are labels like any other.
func TestLabelsNamedLikeStandIns(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "result_table", `'sum by (label_columns, result_table, "quo\"te", "r.label_columns = $8::text") (m)'`))
	r := sqltest.Rounds{Flow: db.Take("result_table")}
	n := len(flowdef.NewLayout(r.Flow.Def).Names)
	if n != 4 {
		t.Fatalf("%d label columns, want 4", n)
	}
	w := sqltest.Window(sqltest.Minute)
	for i := range 300 { // as many as are copied
		w.Rows = append(w.Rows, progress.Row{Columns: []string{fmt.Sprint(i), "a", "b", "c"}, Value: 1})
	}
	sqltest.CommitOne(t, db.Store, r.Next(w))
	w.Rows = w.Rows[:200]
	if out := sqltest.CommitOne(t, db.Store, r.Next(w)); out.RowsWritten != 100 {
		t.Errorf("%d rows written, want the 100 that are gone", out.RowsWritten)
	}
	w.Complete, w.Rows[0].Value, w.Gone = false, 2, [][]string{w.Rows[1].Columns}
	w.Rows = w.Rows[:1]
	if out := sqltest.CommitOne(t, db.Store, r.Next(w)); out.RowsWritten != 2 {
		t.Errorf("%d rows written, want 2", out.RowsWritten)
	}
	if n := sqltest.ScanOne[int](db, "select count(*) from flow.result_table"); n != 199 {
		t.Errorf("%d rows, want 199", n)
	}
}
