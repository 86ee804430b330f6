package sqlstore_test

import (
	"fmt"
	"testing"

	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// BenchmarkFlush is a flush of 40,000 samples, begin to commit. The private
// server of tests runs without fsync; LAMINAR_TEST_DATABASE_URL takes another.
func BenchmarkFlush(b *testing.B) {
	for _, per := range []int{20, 200, 2000} {
		b.Run(fmt.Sprintf("%d_per_segment", per), func(b *testing.B) {
			const samples = 40_000
			store := sqltest.New(b).Store(b)
			var segs []segment.Segment
			for i := range samples / per {
				points := make([][3]float64, per)
				for j := range points {
					points[j] = [3]float64{float64(j + 1), float64(day + int64(j/10)), float64(i*j) * 0.25}
				}
				segs = append(segs, seg(segment.MetricID(i+1), points...))
			}
			for b.Loop() {
				commit(b, begin(b, store, 1), segs...)
			}
			b.ReportMetric(samples*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}
