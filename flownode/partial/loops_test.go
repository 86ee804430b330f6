package partial_test

import (
	"testing"

	"laminar/flownode/partial"
)

// addGeneric and mergeGeneric are the loops of a partial.Column as one pair for
// all kinds, which the generated ones are measured against.
func addGeneric[P any, PP partial.Cell[P]](cells []P, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		PP(&cells[s]).Add(times[i], values[i])
	}
}

func mergeGeneric[P any, PP partial.Cell[P]](into, later []P) {
	into = into[:len(later)]
	for i := range later {
		if !PP(&later[i]).Empty() {
			PP(&into[i]).Merge(&later[i])
		}
	}
}

// benchmarkLoops folds a run of samples into the partials of a pane, and merges
// panes, through either pair of loops.
func benchmarkLoops[P any, PP partial.Cell[P]](b *testing.B, kind *partial.Kind[P]) {
	b.Helper()
	const run = 256
	slots, times, values := make([]int32, run), make([]int64, run), make([]float64, run)
	earlier, later := benchCells[P, PP](0), benchCells[P, PP](1)
	for _, loops := range []struct {
		name   string
		column partial.Column[P]
	}{
		{"generated", kind.Column},
		{"generic", partial.Column[P]{Add: addGeneric[P, PP], Merge: mergeGeneric[P, PP]}},
	} {
		b.Run("add/"+loops.name, func(b *testing.B) {
			cells := make([]P, 10_000)
			t := int64(0)
			for b.Loop() {
				for i := range slots {
					t++
					slots[i], times[i], values[i] = int32(t%int64(len(cells))), t, float64(t%977)
				}
				loops.column.Add(cells, slots, times, values)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/run, "ns/sample")
		})
		b.Run("merge/"+loops.name, func(b *testing.B) {
			acc := make([]P, len(earlier))
			for b.Loop() {
				copy(acc, earlier)
				loops.column.Merge(acc, later)
			}
			perCell(b, len(acc))
		})
	}
}

func BenchmarkLoopsSimple(b *testing.B)  { benchmarkLoops(b, partial.SimpleKind) }
func BenchmarkLoopsMoments(b *testing.B) { benchmarkLoops(b, partial.MomentsKind) }
func BenchmarkLoopsCounter(b *testing.B) { benchmarkLoops(b, partial.CounterKind) }
func BenchmarkLoopsLast(b *testing.B)    { benchmarkLoops(b, partial.LastKind) }
