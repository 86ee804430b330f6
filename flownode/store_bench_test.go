package flownode

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"laminar/flownode/flowfile"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// storePorts is the store as the coordinator wants it, on a clock that is ahead
// of the database's.
type storePorts struct {
	*raw.Reader
	catalogue *flowstore.Catalogue
	ahead     *int64 // ms
}

func (s storePorts) Snapshot(ctx context.Context) (read.Snapshot, error) {
	snap, err := s.catalogue.Stored(ctx)
	return aheadSnapshot{snap, *s.ahead}, err
}

type aheadSnapshot struct {
	*flowstore.Stored
	ahead int64
}

func (s aheadSnapshot) Position() sequence.Position {
	pos := s.Stored.Position()
	pos.Now += s.ahead
	return pos
}

// storeWorld drives a group over a real PostgreSQL.
type storeWorld struct {
	testing.TB
	store  *sqlstore.Store
	node   *Node
	group  *fenceGroup
	metric sequence.MetricID
	ids    []sequence.SeriesID // series n lives in region 1 + n%2
	base   int64               // where event time begins: a whole hour
	ahead  int64               // of the database's clock, ms
}

// storeStep is how far apart scrapes are, in ms.
const storeStep = 15_000

// storeJobs is how many jobs the series belong to.
const storeJobs = 50

// newStoreWorld makes so many series of the metric m, labelled instance and job,
// of which nothing is stored yet.
func newStoreWorld(t testing.TB, count int) *storeWorld {
	t.Helper()
	w := &storeWorld{TB: t, store: sqltest.New(t).Store(t)}
	now := time.Now().UnixMilli()
	w.base = now - now%3_600_000 - 2*3_600_000
	metrics, err := w.store.Writer.Metrics(t.Context(), []string{"m"})
	if err != nil {
		t.Fatal(err)
	}
	w.metric = metrics[0]
	w.ids = make([]sequence.SeriesID, count)
	for r := range 2 {
		var fresh []series.Wanted
		for n := r; n < count; n += 2 {
			labels := []series.Label{{Name: series.MetricName, Value: "m"}, {Name: "instance", Value: fmt.Sprint("host-", n)}, {Name: "job", Value: fmt.Sprint("job-", n%storeJobs)}}
			fresh = append(fresh, series.Wanted{Metric: w.metric, SHA256: sha256.Sum256(fmt.Append(nil, labels)), Labels: labels})
		}
		w.inFlush(sequence.Region(r+1), func(tx *raw.FlushTx) []segment.Segment {
			made, err := tx.CreateSeries(t.Context(), fresh)
			if err != nil {
				t.Fatal(err)
			}
			for i := range made {
				w.ids[r+2*i] = made[i].ID
			}
			return nil
		})
	}
	return w
}

// apply makes the catalogue hold the flows, and a flownode take them.
func (w *storeWorld) apply(defs string) {
	w.Helper()
	flows, problems := flowfile.Parse("", []byte(defs))
	if len(problems) > 0 {
		w.Fatal(problems)
	}
	if _, err := w.store.Catalogue.Apply(w.Context(), flows, flowstore.ApplyOptions{}); err != nil {
		w.Fatal(err)
	}
	w.restart()
}

// restart is a flownode that begins with nothing in memory.
func (w *storeWorld) restart() {
	w.Helper()
	ports := storePorts{w.store.Reader, w.store.Catalogue, &w.ahead}
	var err error
	w.node, err = New(Config{Snapshots: ports, Catalog: w.store.Catalogue, Results: w.store.Results, Jobs: w.store.Jobs, Elector: w.store.Members.New(""), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.Fatal(err)
	}
	heads, err := w.store.Catalogue.Heads(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.group = newFenceGroup(w.node.process, "test")
	w.group.adopt(heads)
}

func (w *storeWorld) inFlush(region sequence.Region, build func(tx *raw.FlushTx) []segment.Segment) {
	w.Helper()
	tx, err := w.store.Writer.BeginFlush(w.Context(), region, sequence.FlushID(uuid.New()))
	if err != nil {
		w.Fatal(err)
	}
	if err := tx.Commit(w.Context(), build(tx)); err != nil {
		w.Fatal(err)
	}
}

// at is the time of a scrape.
func (w *storeWorld) at(scrape int) int64 { return w.base + int64(scrape+1)*storeStep }

// value is what series n has in a scrape.
func (w *storeWorld) value(n, scrape int) float64 { return float64(scrape*10 + n%7) }

// scrapes commits the scrapes from first on, count of them, one flush of each
// region per scrape.
func (w *storeWorld) scrapes(first, count int) {
	w.Helper()
	for s := first; s < first+count; s++ {
		t := w.at(s)
		for r := range 2 {
			seg := segment.Segment{Metric: w.metric, Ordered: true, Base: t, MinT: t, MaxT: t}
			for n := r; n < len(w.ids); n += 2 {
				seg.Series = append(seg.Series, w.ids[n])
				seg.Offsets = append(seg.Offsets, 0)
				seg.Values = append(seg.Values, w.value(n, s))
			}
			w.inFlush(sequence.Region(r+1), func(*raw.FlushTx) []segment.Segment { return []segment.Segment{seg} })
		}
	}
}

func (w *storeWorld) seal() {
	w.Helper()
	if _, err := w.store.Keeper.Seal(w.Context(), raw.SealOptions{Force: true}); err != nil {
		w.Fatal(err)
	}
}

func (w *storeWorld) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.store.Pool().Exec(w.Context(), sql, args...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

// count is what a query counts.
func (w *storeWorld) count(sql string, args ...any) int {
	w.Helper()
	var n int
	if err := w.store.Pool().QueryRow(w.Context(), sql, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return n
}

// round runs one round.
func (w *storeWorld) round() (more bool) {
	w.Helper()
	more, err := w.group.round(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return more
}

// refill refills the windows of a flow with from < end <= to and returns the
// job when it is done.
func (w *storeWorld) refill(flow string, from, to int64) progress.Job {
	w.Helper()
	ids, err := sqltest.CreateRefill(w.Context(), w.store.Jobs, flow, from, to)
	if err != nil {
		w.Fatal(err)
	}
	for {
		w.round()
		job, err := w.store.Jobs.Show(w.Context(), ids[0])
		if err != nil {
			w.Fatal(err)
		}
		switch job.State {
		case "done":
			return job
		case "failed":
			w.Fatal(job.Error)
		}
	}
}

// rowTable puts the same samples into a table of one row per sample, indexed by
// time, as one would without Laminar.
func (w *storeWorld) rowTable(scrapes int) {
	w.Helper()
	w.exec("create table row_series (id int primary key, job text not null, instance text not null)")
	w.exec("create table row_sample (ts timestamptz not null, series int not null, value float8 not null)")
	w.exec("insert into row_series select n, 'job-' || n % $2::int, 'host-' || n from generate_series(0, $1::int - 1) n", len(w.ids), storeJobs)
	w.exec(`insert into row_sample select to_timestamp($1::float8 + s * $2::float8), n, s * 10 + n % 7
		from generate_series(0, $3::int - 1) s, generate_series(0, $4::int - 1) n`, float64(w.at(0))/1000, storeStep/1000.0, scrapes, len(w.ids))
	w.exec("create index on row_sample (ts)")
	w.exec("vacuum analyze row_series, row_sample")
}

// cron is the statement that a person would run by hand, over (from, to].
func (w *storeWorld) cron(by string, from, to int64) {
	w.Helper()
	columns := map[string]string{"job": "job", "series": "instance, job"}[by]
	w.exec("create table if not exists cron_" + by + " (window_end timestamptz not null, job text not null" +
		map[string]string{"series": ", instance text not null"}[by] + ", value float8 not null, primary key (window_end, " + columns + "))")
	w.exec("insert into cron_"+by+" (window_end, "+columns+", value)\n"+
		"select date_bin('1 minute', x.ts - interval '1 ms', 'epoch') + interval '1 minute', "+columns+", sum(x.value)\n"+
		"from row_sample x join row_series s on s.id = x.series where x.ts > $1 and x.ts <= $2 group by 1, "+columns+"\n"+
		"on conflict (window_end, "+columns+") do update set value = excluded.value", time.UnixMilli(from), time.UnixMilli(to))
}

const storeFlows = "flows: [{name: by_job, promql: 'sum by (job) (sum_over_time(m[1m]))', every: 1m}," +
	" {name: by_series, promql: 'sum by (instance, job) (sum_over_time(m[1m]))', every: 1m}]"

// BenchmarkRefill is a refill of 3 M samples, 75 minutes of 10,000 series, by
// job (3,750 rows) and by series (750,000 rows), into empty tables; beside it
// the statement that does the same over a table with a row per sample, and
// reading the segments and throwing them away. The server runs without fsync
// for all of them.
func BenchmarkRefill(b *testing.B) {
	const count, scrapes = 10_000, 300
	for _, kind := range []string{"hot", "sealed"} {
		b.Run(kind, func(b *testing.B) {
			w := newStoreWorld(b, count)
			w.scrapes(0, scrapes)
			w.apply(storeFlows)
			if kind == "sealed" {
				w.seal()
			}
			w.rowTable(scrapes)
			w.exec("vacuum analyze")
			w.round()
			from, to := w.base, w.at(scrapes-1)
			b.Run("read", func(b *testing.B) {
				snap, err := w.store.Reader.Snapshot(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer snap.Close(b.Context())
				for b.Loop() {
					n := 0
					err := snap.ReadRaw(b.Context(), segment.Select{Metrics: []sequence.MetricID{w.metric}, Span: sequence.Span{After: from, UpTo: to}}, func(seg *segment.Segment) error {
						n += seg.Len()
						return nil
					})
					if err != nil || n != count*scrapes {
						b.Fatal(n, err)
					}
				}
			})
			for _, by := range []string{"job", "series"} {
				rows := map[string]int{"job": storeJobs, "series": count}[by] * scrapes / 4
				b.Run("by="+by+"/cron", func(b *testing.B) {
					for b.Loop() {
						b.StopTimer()
						w.exec("drop table if exists cron_" + by)
						b.StartTimer()
						w.cron(by, from, to)
					}
				})
				b.Run("by="+by+"/refill", func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						b.StopTimer()
						w.exec("truncate flow.by_" + by)
						b.StartTimer()
						w.refill("by_"+by, from, to)
					}
					b.StopTimer()
					if n := w.count("select count(*) from flow.by_" + by); n != rows {
						b.Fatalf("%d rows, want %d", n, rows)
					}
					if n := w.count("select count(*) from flow.by_" + by + " natural join cron_" + by); n != rows {
						b.Fatalf("%d rows are equal to the statement's, want %d", n, rows)
					}
				})
				b.Run("by="+by+"/again", func(b *testing.B) {
					for b.Loop() {
						w.refill("by_"+by, from, to)
					}
				})
			}
		})
	}
}

// lateFlush commits samples that are late: unordered segments, one per region.
func (w *storeWorld) lateFlush(at func(n int) (place int, t int64, v float64), samples int) {
	w.Helper()
	segs := [2]segment.Segment{}
	for r := range segs {
		segs[r] = segment.Segment{Metric: w.metric, Base: segment.Bucket(w.base), MinT: 1 << 62}
	}
	for n := range samples {
		place, t, v := at(n)
		seg := &segs[place%2]
		seg.Series = append(seg.Series, w.ids[place])
		seg.Offsets = append(seg.Offsets, int32(t-seg.Base))
		seg.Values = append(seg.Values, v)
		seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
	}
	for r := range segs {
		w.inFlush(sequence.Region(r+1), func(*raw.FlushTx) []segment.Segment { return segs[r : r+1] })
	}
}

// settle runs rounds until nothing is left to do, without the wait for dirty
// windows to be quiet.
func (w *storeWorld) settle() {
	w.Helper()
	for {
		more, dirty := w.round(), 0
		for _, f := range w.group.whole() {
			dirty += f.DirtyWindows.Len()
		}
		if !more && dirty == 0 {
			return
		}
		w.ahead += flowplan.DirtyQuiet
	}
}

// BenchmarkLate is 1,000 late samples over 20 old windows of 10,000 series, and
// the work of correcting the table, without the wait until the windows have been
// quiet; beside it the statement that knows the windows. The windows' panes are
// in memory, as they are for a while, or not, as after a restart.
func BenchmarkLate(b *testing.B) {
	const count, scrapes, samples, windows = 10_000, 300, 1000, 20
	for _, by := range []string{"job", "series"} {
		b.Run("by="+by, func(b *testing.B) {
			w := newStoreWorld(b, count)
			labels := map[string]string{"job": "job", "series": "instance, job"}[by]
			w.apply("flows: [{name: by_" + by + ", promql: 'sum by (" + labels + ") (sum_over_time(m[1m]))', every: 1m}]")
			w.scrapes(0, scrapes)
			w.settle()
			w.rowTable(scrapes)
			w.cron(by, w.base, w.at(scrapes-1))
			w.exec("vacuum analyze")
			starts := make([]time.Time, windows)
			for i := range starts {
				starts[i] = time.UnixMilli(w.base + int64(i)*3*60_000)
			}
			sent := 0
			// late sends samples between scrapes, each at a time of its own.
			late := func() {
				first := sent
				w.lateFlush(func(n int) (int, int64, float64) {
					n += first
					return n * 7919 % count, starts[n%windows].UnixMilli() + 2000 + int64(n), 1
				}, samples)
				w.exec(`insert into row_sample select to_timestamp($1::float8 + (n % $2::int) * 180 + 2 + n * 0.001), n * 7919 % $3::int, 1
					from generate_series($4::int, $4 + $5::int - 1) n`, float64(w.base)/1000, windows, count, first, samples)
				sent += samples
			}
			for _, memory := range []string{"inMemory", "fromRaw"} {
				b.Run(memory, func(b *testing.B) {
					for b.Loop() {
						b.StopTimer()
						late()
						if memory == "fromRaw" {
							for _, f := range w.group.whole() {
								f.Leaves.DropState()
							}
						}
						b.StartTimer()
						w.settle()
					}
				})
			}
			b.Run("statement", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					late()
					b.StartTimer()
					w.exec("insert into cron_"+by+" (window_end, "+labels+", value)\n"+
						"select x.start + interval '1 minute', "+labels+", sum(s.value) from unnest($1::timestamptz[]) x(start)\n"+
						"join row_sample s on s.ts > x.start and s.ts <= x.start + interval '1 minute'\n"+
						"join row_series r on r.id = s.series group by 1, "+labels+"\n"+
						"on conflict (window_end, "+labels+") do update set value = excluded.value", starts)
				}
			})
			w.settle()
			rows := map[string]int{"job": storeJobs, "series": count}[by] * scrapes / 4
			if n := w.count("select count(*) from flow.by_" + by + " natural join cron_" + by); n != rows {
				b.Fatalf("%d rows are equal to the statement's, want %d", n, rows)
			}
		})
	}
}
