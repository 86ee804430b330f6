package raw_test

import (
	"testing"

	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// benchDelta writes 100,000 ordered samples of 200 series, 200 to a segment.
func benchDelta(b *testing.B) (*sqltest.RawDB, partial.SimpleQuery, map[sequence.Region]sequence.Range) {
	b.Helper()
	db := sqltest.NewRawDB(b, 2)
	metric, ids := db.AddMetric("m", 1, 200)
	q := partial.SimpleQuery{Metrics: []sequence.MetricID{metric}, Series: ids, Slots: make([]int32, len(ids)), Pane: sqltest.Minute}
	for i := range q.Slots {
		q.Slots[i] = int32(i)
	}
	for n := range 500 {
		p := sqltest.Points{Metric: metric, Series: ids}
		for i := range ids {
			p.Times = append(p.Times, int64(n)*15_000)
			p.Values = append(p.Values, float64(n*i))
		}
		db.Flush(1, p)
	}
	db.Exec("analyze")
	return db, q, map[sequence.Region]sequence.Range{1: {After: 0, UpTo: 500}}
}

func BenchmarkReadDelta(b *testing.B) {
	db, q, ranges := benchDelta(b)
	snap := db.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		n, sum := 0, 0.0
		err := snap.ReadDelta(b.Context(), q.Metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
			n += seg.Len()
			for _, v := range seg.Values {
				sum += v
			}
			return nil
		})
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkReadRaw(b *testing.B) {
	db, q, _ := benchDelta(b)
	db.Freeze()
	db.Seal(1)
	snap := db.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := snap.ReadRaw(b.Context(), segment.Select{Metrics: q.Metrics}, func(seg *segment.Segment) error {
			n += seg.Len()
			return nil
		})
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkPushdown(b *testing.B) {
	db, q, ranges := benchDelta(b)
	snap := db.Snapshot()
	for _, c := range []struct {
		name  string
		pane  int64
		slots int32
	}{{"manyPartials", sqltest.Minute, 200}, {"fewPartials", 60 * sqltest.Minute, 1}} {
		q.Pane = c.pane
		for i := range q.Slots {
			q.Slots[i] = int32(i) % c.slots
		}
		n := 0
		count := func(int64, int32, partial.Simple) error { n++; return nil }
		b.Run("delta/"+c.name, func(b *testing.B) {
			for b.Loop() {
				n = 0
				if err := snap.AggregateDelta(b.Context(), q, ranges, count); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(n), "partials")
		})
		b.Run("raw/"+c.name, func(b *testing.B) {
			for b.Loop() {
				n = 0
				if err := snap.AggregateRaw(b.Context(), q, sequence.Span{After: -1, UpTo: 1 << 40}, count); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(n), "partials")
		})
	}
}
