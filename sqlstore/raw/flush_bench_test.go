package raw_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// BenchmarkFlush is a flush of 8,000 samples, begin to commit, and how much of
// the server's processor time it takes: as it is, without the index, and without
// WAL. The private server of tests runs without fsync; LAMINAR_TEST_DATABASE_URL
// takes another, whose processes must be on this machine.
func BenchmarkFlush(b *testing.B) {
	for _, c := range []struct {
		per       int
		how, then string
	}{
		{20, "", ""}, {80, "", ""}, {80, "/no_index", "drop index laminar.%s"}, {80, "/unlogged", "alter table laminar.hot_1 set unlogged"}, {400, "", ""}, {2000, "", ""},
	} {
		b.Run(fmt.Sprintf("%d_per_segment%s", c.per, c.how), func(b *testing.B) {
			const samples = 8_000
			per := c.per
			db := sqltest.New(b)
			store, pool := db.Store(b), db.Pool(b)
			if strings.Contains(c.then, "%s") {
				var index string
				if err := pool.QueryRow(b.Context(), "select indexname from pg_indexes where schemaname = 'laminar' and tablename = 'hot_1'").Scan(&index); err != nil {
					b.Fatal(err)
				}
				sqltest.Run(b, db.URL, fmt.Sprintf(c.then, pgx.Identifier{index}.Sanitize()))
			} else if c.then != "" {
				sqltest.Run(b, db.URL, c.then)
			}
			var segs []segment.Segment
			for i := range samples / per {
				points := make([][3]float64, per)
				for j := range points {
					points[j] = [3]float64{float64(j + 1), float64(sqltest.Day + int64(j/10)), float64(i*j) * 0.25}
				}
				segs = append(segs, sqltest.Segment(sequence.MetricID(i+1), points...))
			}
			sqltest.Commit(b, sqltest.Begin(b, store, 1), segs...)
			before := serverSeconds(b, pool)
			for b.Loop() {
				sqltest.Commit(b, sqltest.Begin(b, store, 1), segs...)
			}
			b.ReportMetric((serverSeconds(b, pool)-before)*1e9/float64(b.N)/samples, "server-ns/sample")
			b.ReportMetric(samples*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}

// serverSeconds is the processor time that the backends of this database have
// taken.
func serverSeconds(b *testing.B, pool *pgxpool.Pool) (sum float64) {
	b.Helper()
	rows, err := pool.Query(b.Context(), "select pid from pg_stat_activity where datname = current_database()")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Fatal(err)
		}
		// Behind the name in parentheses: the 12th and 13th are hundredths of
		// seconds in user and in system mode (proc(5)).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseFloat(field, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += ticks / 100
		}
	}
	return sum
}
