package flowstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sqlstore/sqltest"
)

// BenchmarkWriteWindow commits a window of 100,000 rows with two labels, in the
// order of the primary key, as the coordinator does.
func BenchmarkWriteWindow(b *testing.B) {
	const n = 100_000
	db := sqltest.NewRawDB(b, 2)
	db.Apply(sqltest.FlowFor(b, "f", "sum by (i, j) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	rows := func(prefix string, add float64) []progress.Row {
		out := make([]progress.Row, n)
		for i := range out {
			out[i] = progress.Row{Columns: []string{fmt.Sprintf("%s%04d", prefix, i/100), fmt.Sprintf("host-%06d", i)}, Value: float64(i) + add}
		}
		return out
	}
	end, add := int64(0), 0.0
	for _, c := range []struct {
		name string
		next func() progress.Window
	}{
		{"new", func() progress.Window { end += sqltest.Minute; return sqltest.Window(end, rows("a", add)...) }},
		{"unchanged", func() progress.Window { return sqltest.Window(end, rows("a", add)...) }},
		{"changed", func() progress.Window { add++; return sqltest.Window(end, rows("a", add)...) }},
		{"changedRows", func() progress.Window {
			add++
			w := sqltest.Window(end, rows("a", add)...)
			w.Complete = false
			return w
		}},
		{"changedFew", func() progress.Window {
			add++
			w := sqltest.Window(end, rows("a", add)[:1000]...)
			w.Complete = false
			return w
		}},
		{"replaced", func() progress.Window { add++; return sqltest.Window(end, rows(fmt.Sprint("x", add), 0)...) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := c.next()
				b.StartTimer()
				sqltest.CommitOne(b, db.Store, r.Next(w))
			}
		})
	}
}

// BenchmarkMoveSessions commits a round of open sessions of 100,000 users as emit: update
// makes it: of more than a quarter of them the session ends later than before, so its row
// goes from one window of many to the newest one.
func BenchmarkMoveSessions(b *testing.B) {
	const (
		users = 100_000
		last  = 8 // a session is open for so many rounds without a sample
	)
	db := sqltest.NewRawDB(b, 2)
	db.Apply(sqltest.Define(b, "flows:\n  - {name: s, promql: sum by (a) (m), session: {gap: 2m, max: 20m}, emit: update}\n")...)
	r := sqltest.Rounds{Flow: db.Take("s")}
	rng := rand.New(rand.NewPCG(1, 1))
	columns, ends := make([][]string, users), make([]int64, users)
	for i := range columns {
		columns[i] = []string{fmt.Sprintf("user-%06d", i)}
	}
	end := int64(0)
	next := func() []progress.Window {
		end += sqltest.Minute / 4
		newest := progress.Window{Start: end, End: end}
		gone := map[int64][][]string{}
		for i, was := range ends {
			if rng.IntN(7) > 1 {
				continue
			}
			newest.Rows = append(newest.Rows, progress.Row{Columns: columns[i], Start: end, Value: 1})
			if was > 0 && end-was <= last*sqltest.Minute/4 {
				gone[was] = append(gone[was], columns[i])
			}
			ends[i] = end
		}
		windows := []progress.Window{}
		for _, was := range slices.Sorted(maps.Keys(gone)) {
			windows = append(windows, progress.Window{Start: was, End: was, Gone: gone[was]})
		}
		return append(windows, newest)
	}
	for range 2 * last {
		sqltest.CommitOne(b, db.Store, r.Next(next()...))
	}
	rows := int64(0)
	for b.Loop() {
		b.StopTimer()
		windows := next()
		b.StartTimer()
		rows += sqltest.CommitOne(b, db.Store, r.Next(windows...)).RowsWritten
	}
	b.ReportMetric(float64(rows)/float64(b.N), "rows/op")
}
