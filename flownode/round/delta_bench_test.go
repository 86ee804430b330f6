package round_test

import (
	"testing"

	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// BenchmarkFoldDelta folds scrapes of 100,000 series into pane state, cut up as
// a crowd of senders commits them: what a round does with what it reads, for
// each of its flows.
func BenchmarkFoldDelta(b *testing.B) {
	const series, scrapes, segmentLength = 100_000, 4, 160
	for _, bm := range []struct{ name, promql string }{
		{"rate_by_job", "sum by (job) (rate(m[5m]))"},
		{"max_by_job", "max by (job) (max_over_time(m[5m]))"},
		{"count_by_instance", "count by (instance) (count_over_time(m[5m]))"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := roundtest.NewBenchWorld(b, bm.promql, series, scrapes)
			w.Results = roundtest.Discard{}
			if _, err := w.Round(b.Context()); err != nil {
				b.Fatal(err)
			}
			l := w.Flows[1].Leaves[0]
			var segments []*segment.Segment
			for k := range scrapes {
				at := w.Clock + int64(k+1)*15_000
				for from := 0; from < series; from += segmentLength {
					seg := &segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(at), MinT: at, MaxT: at}
					for n := from; n < min(from+segmentLength, series); n++ {
						seg.Series = append(seg.Series, sequence.SeriesID(n+1))
						seg.Offsets = append(seg.Offsets, int32(at-seg.Base))
						seg.Values = append(seg.Values, float64(at/1000+int64(n)))
					}
					segments = append(segments, seg)
				}
			}
			none := func(int64, int32) { b.Fatal("nothing is closed") }
			b.ReportAllocs()
			for b.Loop() {
				for _, seg := range segments {
					l.State.Fold(seg, l.Members, 0, none)
					seg.Base, seg.MinT, seg.MaxT = seg.Base+60_000, seg.MinT+60_000, seg.MaxT+60_000
				}
				w.Clock += 60_000
				l.State.Trim(w.Clock - 300_000)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*scrapes), "ns/sample")
		})
	}
}
