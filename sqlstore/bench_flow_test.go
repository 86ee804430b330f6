package sqlstore_test

import (
	"fmt"
	"testing"

	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// benchDelta writes 100,000 ordered samples of 200 series, 200 to a segment.
func benchDelta(b *testing.B) (*rawDB, partial.SimpleQuery, map[sequence.Region]sequence.Range) {
	b.Helper()
	db := newRawDB(b, 2)
	metric, ids := db.addMetric("m", 1, 200)
	q := partial.SimpleQuery{Metrics: []sequence.MetricID{metric}, Series: ids, Slots: make([]int32, len(ids)), Pane: minute}
	for i := range q.Slots {
		q.Slots[i] = int32(i)
	}
	for n := range 500 {
		p := points{metric: metric, series: ids}
		for i := range ids {
			p.times = append(p.times, int64(n)*15_000)
			p.values = append(p.values, float64(n*i))
		}
		db.flush(1, p)
	}
	db.exec("analyze")
	return db, q, map[sequence.Region]sequence.Range{1: {After: 0, UpTo: 500}}
}

func BenchmarkReadDelta(b *testing.B) {
	db, q, ranges := benchDelta(b)
	snap := db.snapshot()
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
	db.freeze()
	db.seal(1)
	snap := db.snapshot()
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
	snap := db.snapshot()
	for _, c := range []struct {
		name  string
		pane  int64
		slots int32
	}{{"manyPartials", minute, 200}, {"fewPartials", 60 * minute, 1}} {
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
				if err := snap.AggregateRaw(b.Context(), q, -1, 1<<40, count); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(n), "partials")
		})
	}
}

// BenchmarkWriteWindow commits a window of 100,000 rows with two labels, in the
// order of the primary key, as the coordinator does.
func BenchmarkWriteWindow(b *testing.B) {
	const n = 100_000
	db := newRawDB(b, 2)
	db.apply(flowFor(b, "f", "sum by (i, j) (m)"))
	r := rounds{db.take("f")}
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
		{"new", func() progress.Window { end += minute; return window(end, rows("a", add)...) }},
		{"unchanged", func() progress.Window { return window(end, rows("a", add)...) }},
		{"changed", func() progress.Window { add++; return window(end, rows("a", add)...) }},
		{"changedRows", func() progress.Window {
			add++
			w := window(end, rows("a", add)...)
			w.Complete = false
			return w
		}},
		{"changedFew", func() progress.Window {
			add++
			w := window(end, rows("a", add)[:1000]...)
			w.Complete = false
			return w
		}},
		{"replaced", func() progress.Window { add++; return window(end, rows(fmt.Sprint("x", add), 0)...) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := c.next()
				b.StartTimer()
				commitOne(b, db.store, r.next(w))
			}
		})
	}
}
