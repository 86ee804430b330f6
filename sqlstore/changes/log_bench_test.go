package changes_test

import (
	"fmt"
	"testing"

	"laminar/flownode/progress"
	"laminar/sqlstore/sqltest"
)

// BenchmarkLog commits rows of windows of 1,000 groups with two labels: what the change
// log costs is part of it. WAL is that of the whole commit, by changed row, without images
// of whole pages.
func BenchmarkLog(b *testing.B) {
	const groups = 1000
	rows := func(from, n int, add float64) []progress.Row {
		out := make([]progress.Row, n)
		for i := range out {
			out[i] = progress.Row{Columns: []string{fmt.Sprintf("job-%02d", (from+i)/100), fmt.Sprintf("host-%06d", from+i)}, Value: float64(i) + add}
		}
		return out
	}
	for _, c := range []struct {
		name    string
		windows int // in the table before
		per     int // changed rows of a commit
		next    func(i int) []progress.Window
	}{
		{"new", 0, groups, func(i int) []progress.Window {
			return []progress.Window{sqltest.Window(int64(i+1)*sqltest.Minute, rows(0, groups, 0)...)}
		}},
		{"open", 1, groups, func(i int) []progress.Window {
			w := sqltest.Window(sqltest.Minute, rows(0, groups, float64(i+1))...)
			w.Complete = false
			return []progress.Window{w}
		}},
		{"openSome", 1, groups / 10, func(i int) []progress.Window {
			w := sqltest.Window(sqltest.Minute, rows(i*97%900, groups/10, float64(i+1))...)
			w.Complete = false
			return []progress.Window{w}
		}},
		{"late10", 200, 10, func(i int) []progress.Window {
			w := sqltest.Window(int64(i*67%200+1)*sqltest.Minute, rows(i*97%900, 10, float64(i+1))...)
			w.Complete = false
			return []progress.Window{w}
		}},
		{"late1", 200, 1, func(i int) []progress.Window {
			w := sqltest.Window(int64(i*67%200+1)*sqltest.Minute, rows(i*97%900, 1, float64(i+1))...)
			w.Complete = false
			return []progress.Window{w}
		}},
		{"lateSliding", 200, 20, func(i int) []progress.Window { // one late sample in windows of 20 steps
			var out []progress.Window
			for n := range 20 {
				w := sqltest.Window(int64(i*67%180+n+1)*sqltest.Minute, rows(i*97%900, 1, float64(i+1))...)
				w.Complete = false
				out = append(out, w)
			}
			return out
		}},
		{"refill1", 200, 200, func(i int) []progress.Window { // of one series, in all windows
			var out []progress.Window
			for n := range 200 {
				w := sqltest.Window(int64(n+1)*sqltest.Minute, rows(i*97%900, 1, float64(i+1))...)
				w.Complete = false
				out = append(out, w)
			}
			return out
		}},
		{"refill", 20, 20, func(i int) []progress.Window { // of all series, of which one has changed
			var out []progress.Window
			for n := range 20 {
				all := rows(0, groups, 0)
				all[500].Value = float64(i + 1)
				out = append(out, sqltest.Window(int64(n+1)*sqltest.Minute, all...))
			}
			return out
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := sqltest.NewRawDB(b, 1)
			db.Apply(sqltest.FlowFor(b, "f", "sum by (job, host) (m)"))
			r := sqltest.Rounds{Flow: db.Take("f")}
			for n := range c.windows {
				sqltest.CommitOne(b, db.Store, r.Next(sqltest.Window(int64(n+1)*sqltest.Minute, rows(0, groups, 0)...)))
			}
			wal := func() (n, images int64) {
				err := db.Store.Pool().QueryRow(b.Context(), "select (pg_current_wal_insert_lsn() - '0/0')::bigint, wal_fpi from pg_stat_wal").Scan(&n, &images)
				if err != nil {
					b.Fatal(err)
				}
				return n, images
			}
			db.Exec("analyze")
			before, _ := wal()
			i, changed := 0, int64(0)
			for b.Loop() {
				b.StopTimer()
				round := r.Next(c.next(i)...)
				b.StartTimer()
				changed += sqltest.CommitOne(b, db.Store, round).RowsWritten
				i++
			}
			after, _ := wal()
			b.ReportMetric(float64(after-before)/float64(changed), "wal-B/row")
			if changed < int64(i*c.per*8/10) {
				b.Errorf("%d rows changed in %d commits, want %d each", changed, i, c.per)
			}
		})
	}
}
