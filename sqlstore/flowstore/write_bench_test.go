package flowstore_test

import (
	"fmt"
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
