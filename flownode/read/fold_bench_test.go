package read_test

import (
	"context"
	"testing"

	"laminar/flownode/read"
	"laminar/flownode/round/roundtest"
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
			w := roundtest.NewBenchWorld(b, bm.promql, series, 0)
			w.Store.Vec[2] = 0
			for range scrapes / 2 {
				for r := range sequence.Region(2) {
					var seg segment.Segment
					for s := range int64(2) {
						for n := int(r); n < series; n += 2 {
							at := w.Clock + (s+1)*15_000
							seg.Metric, seg.Ordered, seg.Base, seg.MinT, seg.MaxT = 1, true, w.Base, w.Clock+15_000, at
							seg.Series = append(seg.Series, sequence.SeriesID(n+1))
							seg.Offsets = append(seg.Offsets, int32(at-w.Base))
							seg.Values = append(seg.Values, float64(at/1000+int64(n)))
						}
					}
					w.Store.Append(r+1, seg)
				}
				w.Clock += 30_000
				w.Store.Now = w.Clock
			}
			w.Results = roundtest.Discard{}
			if _, err := w.Round(context.Background()); err != nil {
				b.Fatal(err)
			}
			snap, err := w.Store.Snapshot(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			r := read.NewReader(&w.Reading, snap, snap)
			l := w.Flows[1].Leaves[0]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.BuildState(b.Context(), l, w.Base); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*scrapes), "ns/sample")
		})
	}
}
