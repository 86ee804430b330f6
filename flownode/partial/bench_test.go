package partial_test

import (
	"testing"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

// benchmarkAdd folds what a flush of 10,000 series with 10 samples each folds:
// 100,000 samples, sample by sample into a dense array of partials.
func benchmarkAdd[P any, PP partialtest.Partial[P]](b *testing.B) {
	b.Helper()
	const series, rounds = 10_000, 10
	cells := make([]P, series)
	b.ReportAllocs()
	for b.Loop() {
		clear(cells)
		for r := range rounds {
			for slot := range cells {
				PP(&cells[slot]).Add(int64(r)*15_000, float64(r*slot%977))
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*rounds), "ns/sample")
}

func BenchmarkAddSimple(b *testing.B)  { benchmarkAdd[partial.Simple](b) }
func BenchmarkAddMoments(b *testing.B) { benchmarkAdd[partial.Moments](b) }
func BenchmarkAddLast(b *testing.B)    { benchmarkAdd[partial.Last](b) }
func BenchmarkAddCounter(b *testing.B) { benchmarkAdd[partial.Counter](b) }
