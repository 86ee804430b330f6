package partial_test

import (
	"testing"

	"laminar/flownode/partial"
)

// benchmarkAdd folds what a flush of 10,000 series with 10 samples each folds:
// 100,000 samples, sample by sample into a dense array of partials.
func benchmarkAdd[P any, PP partial.Cell[P]](b *testing.B) {
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

// benchCells is so many partials of a pane that each hold four samples.
func benchCells[P any, PP partial.Cell[P]](pane int64) []P {
	cells := make([]P, 10_000)
	for slot := range cells {
		for k := range int64(4) {
			PP(&cells[slot]).Add(pane*60_000+k*15_000, float64(pane*4+k)*float64(slot%977))
		}
	}
	return cells
}

// benchmarkMerge merges one pane of 10,000 series into what is merged already,
// as a window that slides on does.
func benchmarkMerge[P any, PP partial.Cell[P]](b *testing.B, column partial.Column[P]) {
	b.Helper()
	earlier, later := benchCells[P, PP](0), benchCells[P, PP](1)
	acc := make([]P, len(earlier))
	b.ReportAllocs()
	for b.Loop() {
		copy(acc, earlier)
		column.Merge(acc, later)
	}
	perCell(b, len(acc))
}

func perCell(b *testing.B, cells int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(cells), "ns/cell")
}

func BenchmarkMergeSimple(b *testing.B)  { benchmarkMerge(b, partial.SimpleKind.Column) }
func BenchmarkMergeMoments(b *testing.B) { benchmarkMerge(b, partial.MomentsKind.Column) }
func BenchmarkMergeLast(b *testing.B)    { benchmarkMerge(b, partial.LastKind.Column) }
func BenchmarkMergeCounter(b *testing.B) { benchmarkMerge(b, partial.CounterKind.Column) }

// BenchmarkFinishRate makes rates of 10,000 merged partials.
func BenchmarkFinishRate(b *testing.B) {
	cells := benchCells[partial.Counter](1)
	b.ReportAllocs()
	for b.Loop() {
		for i := range cells {
			if _, ok := cells[i].Rate(60_000, 120_000); !ok {
				b.Fatal("a partial of four samples has no rate")
			}
		}
	}
	perCell(b, len(cells))
}
