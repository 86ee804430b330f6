package sqlstore_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/cmd/fleet"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// feed is a source of samples for BenchmarkStorage.
type feed struct {
	name     string
	series   [][]fleet.Label
	scrapes  int
	interval time.Duration
	next     func(dst []fleet.Point, t time.Time) []fleet.Point // one scrape of all series
}

func fleetFeed(instances, scrapes int) feed {
	opts := fleet.DefaultOptions()
	opts.Instances = instances
	f := fleet.New(opts)
	return feed{fmt.Sprintf("fleet/%d_series", len(f.Series())), f.Series(), scrapes, opts.Interval, f.Scrape}
}

// plainFeed is 100 metrics of 100 series, scraped every 15 s.
func plainFeed(name string, scrapes int, first, step func(*rand.Rand) float64) feed {
	rnd := rand.New(rand.NewPCG(1, 2))
	var sets [][]fleet.Label
	var values []float64
	for metric := range 100 {
		for i := range 100 {
			sets = append(sets, []fleet.Label{{Name: series.MetricName, Value: fmt.Sprintf("%s_%d", name, metric)}, {Name: "i", Value: fmt.Sprint(i)}})
			values = append(values, first(rnd))
		}
	}
	return feed{name, sets, scrapes, 15 * time.Second, func(dst []fleet.Point, t time.Time) []fleet.Point {
		for i := range values {
			values[i] += step(rnd)
			dst = append(dst, fleet.Point{Series: i, T: t.UnixMilli() - int64(i%7), V: values[i]})
		}
		return dst
	}}
}

// BenchmarkStorage stores the same samples as Laminar does, hot and then
// sealed, and as a table with a row per sample and an index on its time. It
// reports bytes per sample on disk with indexes and TOAST, bytes of WAL per
// sample, their ratios, and how fast samples are sealed, read by flows, and read
// through the view. Every flush is one
// commit in both. WAL is counted for the whole server: run it alone.
func BenchmarkStorage(b *testing.B) {
	zero := func(*rand.Rand) float64 { return 0 }
	for _, f := range []func() feed{
		func() feed { return fleetFeed(10, 1440) }, // two hours, as long as segments stay hot
		func() feed { return fleetFeed(200, 120) },
		func() feed {
			return plainFeed("counters", 120, zero, func(rnd *rand.Rand) float64 { return float64(rnd.IntN(1000)) })
		},
		func() feed {
			return plainFeed("gauges", 120, func(rnd *rand.Rand) float64 { return 100 * rnd.Float64() }, (*rand.Rand).NormFloat64)
		},
	} {
		b.Run(f().name, func(b *testing.B) {
			for b.Loop() {
				benchStorage(b, f())
			}
		})
	}
}

func benchStorage(b *testing.B, f feed) {
	b.Helper()
	db := sqltest.New(b)
	store, pool := db.Store(b), db.Pool(b)
	s := newStorage(b, store, f)
	samples, rows := 0, 0
	var points []fleet.Point
	var rowWAL int64
	sqltest.Run(b, db.URL, "create table public.sample_row (series integer, ts timestamptz, value double precision); create index on public.sample_row (ts)")
	before := walAt(b, pool)
	for n := range f.scrapes {
		points = f.next(points[:0], time.UnixMilli(sqltest.Day).Add(time.Hour+time.Duration(n)*f.interval))
		samples += s.write(points)
		at := walAt(b, pool)
		rows += copyRows(b, pool, points)
		rowWAL += walAt(b, pool) - at
	}
	hotWAL := walAt(b, pool) - before - rowWAL
	per := func(bytes int64, n int) float64 { return float64(bytes) / float64(n) }
	hot := per(size(b, pool, "select sum(pg_total_relation_size(oid)) from pg_class where relname ~ '^hot_[0-9]+$'"), samples)
	row := per(size(b, pool, "select pg_total_relation_size('public.sample_row')"), rows)
	start, at := time.Now(), walAt(b, pool)
	report, err := store.Keeper.Seal(b.Context(), raw.SealOptions{Force: true})
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	sealWAL := walAt(b, pool) - at
	sealed := per(size(b, pool, "select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = 'sealed'::regclass"), int(report.Samples))
	read, asked := s.read(b), s.ask(b, pool)
	b.ReportMetric(row, "row-B/sample")
	b.ReportMetric(hot, "hot-B/sample")
	b.ReportMetric(sealed, "sealed-B/sample")
	b.ReportMetric(hot/row, "hot/row")
	b.ReportMetric(sealed/row, "sealed/row")
	b.ReportMetric(per(rowWAL, rows), "row-WAL-B/sample")
	b.ReportMetric(per(hotWAL, samples), "hot-WAL-B/sample")
	b.ReportMetric(per(sealWAL, int(report.Samples)), "seal-WAL-B/sample")
	b.ReportMetric(per(hotWAL, samples)/per(rowWAL, rows), "hot-WAL/row-WAL")
	b.ReportMetric(float64(report.Samples)/took.Seconds()/1e6, "sealed-Msamples/s")
	b.ReportMetric(read/1e6, "read-Msamples/s")
	b.ReportMetric(asked/1e6, "view-Msamples/s")
}

// read reads everything as flows do and returns samples per second.
func (s *storage) read(b *testing.B) float64 {
	b.Helper()
	snap, err := s.store.Reader.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer snap.Close(b.Context())
	n, start := 0, time.Now()
	metrics := slices.Compact(slices.Sorted(slices.Values(s.metric)))
	if err := snap.ReadRaw(b.Context(), segment.Select{Metrics: metrics}, func(seg *segment.Segment) error {
		n += seg.Len()
		return nil
	}); err != nil || n == 0 {
		b.Fatal(n, err)
	}
	return float64(n) / time.Since(start).Seconds()
}

// ask reads one metric through the view and returns samples per second.
func (s *storage) ask(b *testing.B, pool *pgxpool.Pool) float64 {
	b.Helper()
	var n int
	start := time.Now()
	if err := pool.QueryRow(b.Context(), "select count(value) from sample where metric = (select name from metric where id = $1)", int32(s.metric[0])).Scan(&n); err != nil || n == 0 {
		b.Fatal(n, err)
	}
	return float64(n) / time.Since(start).Seconds()
}

// storage writes points as an ingester does, in flushes of a scrape.
type storage struct {
	testing.TB
	store  *sqlstore.Store
	ids    []sequence.SeriesID
	metric []sequence.MetricID
	region []sequence.Region
	newest []fleet.Point // by series
}

func newStorage(b testing.TB, store *sqlstore.Store, f feed) *storage {
	b.Helper()
	s := &storage{TB: b, store: store, ids: make([]sequence.SeriesID, len(f.series)), newest: make([]fleet.Point, len(f.series))}
	fresh := map[sequence.Region][]series.Wanted{}
	place := map[sequence.Region][]int{}
	known := map[string]sequence.MetricID{}
	for i, set := range f.series {
		var labels []series.Label
		var name string
		for _, l := range set {
			labels = append(labels, series.Label(l))
			if l.Name == series.MetricName {
				name = l.Value
			}
		}
		if known[name] == 0 {
			known[name] = sqltest.MetricOf(b, store, name)
		}
		identity := series.Identity(series.CanonicalLabels(nil, labels))
		region := sequence.Region(1 + identity[0]%sqltest.Regions)
		s.metric, s.region = append(s.metric, known[name]), append(s.region, region)
		fresh[region] = append(fresh[region], series.Wanted{Metric: known[name], SHA256: identity, Labels: labels})
		place[region] = append(place[region], i)
	}
	for region, list := range fresh {
		tx := sqltest.Begin(b, store, region)
		created, err := tx.CreateSeries(b.Context(), list)
		if err != nil {
			b.Fatal(err)
		}
		for k, c := range created {
			s.ids[place[region][k]] = c.ID
		}
		sqltest.Commit(b, tx)
	}
	return s
}

// write makes one flush of each region, with late samples in segments of their
// own behind the others, and returns how many samples it wrote: a repeat is not
// written.
func (s *storage) write(points []fleet.Point) (written int) {
	type key struct {
		metric sequence.MetricID
		late   bool
		bucket int64
	}
	for region := sequence.Region(1); region <= sqltest.Regions; region++ {
		byKey := map[key][][3]float64{}
		var order []key
		for _, p := range points {
			last := &s.newest[p.Series]
			if s.region[p.Series] != region || *last == p {
				continue
			}
			k := key{s.metric[p.Series], p.T <= last.T, segment.Bucket(p.T)}
			if byKey[k] == nil {
				order = append(order, k)
			}
			byKey[k] = append(byKey[k], [3]float64{float64(s.ids[p.Series]), float64(p.T), p.V})
			if !k.late {
				*last = p
			}
			written++
		}
		var segs []segment.Segment
		for _, late := range []bool{false, true} {
			for _, k := range order {
				if k.late == late {
					made := sqltest.Segment(k.metric, byKey[k]...)
					made.Ordered = !late
					segs = append(segs, made)
				}
			}
		}
		sqltest.Commit(s, sqltest.Begin(s, s.store, region), segs...)
	}
	return written
}

func copyRows(b *testing.B, pool *pgxpool.Pool, points []fleet.Point) int {
	b.Helper()
	n, err := pool.CopyFrom(b.Context(), pgx.Identifier{"public", "sample_row"}, []string{"series", "ts", "value"},
		pgx.CopyFromSlice(len(points), func(i int) ([]any, error) {
			return []any{int32(points[i].Series), time.UnixMilli(points[i].T), points[i].V}, nil
		}))
	if err != nil {
		b.Fatal(err)
	}
	return int(n)
}

// walAt is how many bytes of WAL the server has written.
func walAt(b *testing.B, pool *pgxpool.Pool) int64 {
	b.Helper()
	return size(b, pool, "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
}

func size(b *testing.B, pool *pgxpool.Pool, sql string) int64 {
	b.Helper()
	var bytes float64
	if err := pool.QueryRow(b.Context(), sql).Scan(&bytes); err != nil || math.IsNaN(bytes) {
		b.Fatalf("%s: %v", sql, err)
	}
	return int64(bytes)
}
