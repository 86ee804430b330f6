package raw_test

import (
	"math"
	"testing"
	"time"

	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// BenchmarkExecutors measures what the parts of computing partials cost, which
// package flowplan holds as constants: each metric is the time of one sample,
// partial or series more.
func BenchmarkExecutors(b *testing.B) {
	const flushes, series = 500, 200
	const samples = flushes * series
	db := sqltest.NewRawDB(b, 2)
	arrays, arraysIDs := db.AddMetric("arrays", 1, series)
	packed, packedIDs := db.AddMetric("columns", 1, series)
	for n := range flushes {
		a, p := sqltest.Points{Metric: arrays, Series: arraysIDs}, sqltest.Points{Metric: packed, Series: packedIDs}
		for i := range series {
			a.Times, a.Values = append(a.Times, int64(n+1)*15_000), append(a.Values, float64(n*i))
		}
		p.Times, p.Values = a.Times, a.Values
		if n%2 == 0 { // insertHot writes both forms by turns
			a, p = p, a
		}
		db.Flush(1, p, a)
	}
	db.Freeze()
	db.Exec("analyze")
	if n := sqltest.ScanOne[int64](db, "select count(*) from hot_1 where (metric_id = $1) = (packed is null)", int32(packed)); n > 0 {
		b.Fatalf("%d segments have the other form", n)
	}
	ranges := map[sequence.Region]sequence.Range{1: {After: 0, UpTo: flushes}}
	q := func(metric sequence.MetricID, ids []sequence.SeriesID, pane int64) partial.SimpleQuery {
		return partial.SimpleQuery{Metrics: []sequence.MetricID{metric}, Series: ids, Slots: make([]int32, len(ids)), Pane: pane}
	}
	snap := db.Snapshot()
	partials := 0
	count := func(int64, int32, partial.Simple) error { partials++; return nil }
	// each runs fn and reports, per unit, how much longer than base it takes.
	each := func(name, unit string, base time.Duration, units func() int, fn func() error) (per time.Duration) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				partials = 0
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
			per = b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(per-base)/float64(units()), "ns/"+unit)
		})
		return per
	}
	all := func() int { return samples }
	read := func(metric sequence.MetricID) func() error {
		return func() error {
			return snap.ReadRaw(b.Context(), segment.Select{Metrics: []sequence.MetricID{metric}}, func(*segment.Segment) error { return nil })
		}
	}
	delta := func(q partial.SimpleQuery) func() error {
		return func() error { return snap.AggregateDelta(b.Context(), q, ranges, count) }
	}
	const day = 24 * 60 * sqltest.Minute
	few, many := q(arrays, arraysIDs, day), q(arrays, arraysIDs, sqltest.Minute)
	for i := range many.Slots {
		many.Slots[i] = int32(i)
	}
	wide := q(arrays, arraysIDs, day)
	for i := range samples {
		wide.Series, wide.Slots = append(wide.Series, sequence.SeriesID(math.MaxInt32-i)), append(wide.Slots, 0)
	}
	raw := func(q partial.SimpleQuery) func() error {
		return func() error {
			return snap.AggregateRaw(b.Context(), q, sequence.Span{After: -1, UpTo: sequence.EndOfTime}, count)
		}
	}

	each("readArrays", "sample", 0, all, read(arrays))
	each("readColumns", "sample", 0, all, read(packed))
	base := each("aggArrays", "sample", 0, all, delta(few))
	each("aggColumns", "sample", 0, all, delta(q(packed, packedIDs, day)))
	each("sendPartial", "partial", base, func() int { return partials }, delta(many))
	each("mapSeries", "series", base, all, delta(wide))
	each("pickNewest", "sample", base, all, raw(few))
	if err := snap.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	db.Seal(1)
	db.Exec("analyze")
	snap = db.Snapshot()
	each("readPacked", "sample", 0, all, read(arrays))
	each("aggPacked and pickNewest", "sample", 0, all, raw(few))
}
