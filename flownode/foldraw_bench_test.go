package flownode

import (
	"context"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// BenchmarkFoldRaw builds pane state of 10,000 series in two regions from 240
// scrapes, two to a segment as a sender's backlog lands: what a refill and a
// restart do with what they read.
func BenchmarkFoldRaw(b *testing.B) {
	const series, scrapes = 10_000, 240
	for _, bm := range []struct{ name, promql string }{
		{"sum1m_by_job", "sum by (job) (sum_over_time(m[1m]))"},
		{"rate1h_by_job", "sum by (job) (rate(m[1h]))"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := benchWorld(b, bm.promql, series, 0)
			w.store.vec[2] = 0
			for range scrapes / 2 {
				for r := range sequence.Region(2) {
					var seg segment.Segment
					for s := range int64(2) {
						for n := int(r); n < series; n += 2 {
							at := w.clock + (s+1)*15_000
							seg.Metric, seg.Ordered, seg.Base, seg.MinT, seg.MaxT = 1, true, w.base, w.clock+15_000, at
							seg.Series = append(seg.Series, sequence.SeriesID(n+1))
							seg.Offsets = append(seg.Offsets, int32(at-w.base))
							seg.Values = append(seg.Values, float64(at/1000+int64(n)))
						}
					}
					w.store.append(r+1, seg)
				}
				w.clock += 30_000
				w.store.now = w.clock
			}
			w.results = discard{}
			if _, err := w.round(context.Background()); err != nil {
				b.Fatal(err)
			}
			snap, err := w.store.Snapshot(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			r := NewReader(&w.reading, snap, snap)
			l := w.flows[1].Leaves[0]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.BuildState(b.Context(), l, w.base); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*scrapes), "ns/sample")
		})
	}
}
