package flowstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// storedSession is a row of a session but for its end and its columns.
type storedSession struct {
	start int64
	value float64
}

// TestSessionsAgainstModel writes sessions in random ways, few and many that end at one
// time, new ones and others that begin elsewhere than before, and holds the table, what
// followers read, and window_state against what was written.
func TestSessionsAgainstModel(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.Define(t, `
flows:
  - {name: s, promql: sum by (a) (m), session: {gap: 1m, max: 20m}}
`)...)
	rng := rand.New(rand.NewPCG(3, 3))
	r := sqltest.Rounds{Flow: db.Take("s")}
	model := map[int64]map[string]storedSession{}
	name := func(n int) string { return fmt.Sprint("a", n) }
	for step := range 12 {
		var windows []progress.Window
		want := int64(0)
		for _, n := range rng.Perm(4)[:1+rng.IntN(3)] {
			end := int64(n+1) * sqltest.Minute
			w := progress.Window{Start: end, End: end}
			if model[end] == nil {
				model[end] = map[string]storedSession{}
			}
			goes := []int{1, 1, 5}[rng.IntN(3)] // of six
			for n := range []int{3, 30, 400, 2500}[rng.IntN(4)] {
				is := storedSession{end - 1 - rng.Int64N(3), float64(rng.IntN(2))}
				was, there := model[end][name(n)]
				switch {
				case rng.IntN(6) < goes:
					if w.Gone = append(w.Gone, []string{name(n)}); there {
						want++
						delete(model[end], name(n))
					}
				default:
					if w.Rows = append(w.Rows, progress.Row{Columns: []string{name(n)}, Start: is.start, Value: is.value}); was != is {
						want++
						model[end][name(n)] = is
					}
				}
			}
			windows = append(windows, w)
		}
		if out := sqltest.CommitOne(t, db.Store, r.Next(windows...)); out.RowsWritten != want {
			t.Fatalf("step %d: %d rows changed, want %d", step, out.RowsWritten, want)
		}
	}
	maps.DeleteFunc(model, func(_ int64, rows map[string]storedSession) bool { return len(rows) == 0 })
	check := func(from string, windows []progress.Window) {
		t.Helper()
		got := map[int64]map[string]storedSession{}
		for _, w := range windows {
			for _, row := range w.Rows {
				if got[w.End] == nil {
					got[w.End] = map[string]storedSession{}
				}
				got[w.End][row.Columns[0]] = storedSession{row.Start, row.Value}
			}
		}
		if !maps.EqualFunc(got, model, maps.Equal[map[string]storedSession, map[string]storedSession]) {
			t.Errorf("%s: the rows are not what was written", from)
		}
	}
	all := sequence.Span{After: -1, UpTo: 1 << 50}
	stored, err := db.Store.Results.Rows(t.Context(), r.Flow.ID, all)
	if err != nil {
		t.Fatal(err)
	}
	check("stored", stored)
	snap, err := db.Store.Changes.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	if _, err := snap.Stands(t.Context(), []progress.FlowID{r.Flow.ID}); err != nil {
		t.Fatal(err)
	}
	followed, more, err := snap.Rows(t.Context(), r.Flow.ID, all, 100, 1_000_000)
	if err != nil || more {
		t.Fatal(err, more)
	}
	var windows []progress.Window
	for _, c := range followed {
		windows = append(windows, progress.Window{End: c.End, Rows: c.Rows})
	}
	check("followed", windows)
	// Each beginning and end is a window.
	var want []string
	for end, rows := range model {
		for _, s := range rows {
			want = append(want, fmt.Sprint(s.start, " ", end))
		}
	}
	slices.Sort(want)
	rows, err := db.Store.Pool().Query(t.Context(), `select (extract(epoch from window_start) * 1000)::bigint || ' ' || (extract(epoch from window_end) * 1000)::bigint
		from window_state where flow = 's' order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	slices.Sort(got)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("window_state has %v, want %v", got, want)
	}
}
