package keep

import (
	"sort"

	"laminar/sequence"
)

// Columns is raw samples by series. Windows without pane state are computed from
// them, and cells that are repaired are folded from them.
//
//	len(Slot) == len(Times) == len(Values)
//	len(Times[c]) == len(Values[c]), Times[c] strictly ascending, ms
//
// Several columns may have one slot, where the slot is a group.
type Columns struct {
	Slot   []int32     // by column: the slot it folds into
	Times  [][]int64   // by column
	Values [][]float64 // by column
}

// Within is the samples of a column that lie in the span, in the column's own
// arrays.
func (c *Columns) Within(column int, span sequence.Span) ([]int64, []float64) {
	ts := c.Times[column]
	lo, hi := span.Within(ts)
	return ts[lo:hi], c.Values[column][lo:hi]
}

// Samples is how many samples there are.
func (c *Columns) Samples() int64 {
	var n int64
	for _, ts := range c.Times {
		n += int64(len(ts))
	}
	return n
}

// SortKeepLast sorts samples by time and keeps, of those at one time, the last: raw
// samples come with the higher sequence later, so that one wins (I3). It sorts in
// place and returns the front part of the same arrays. The sort is stable, or the
// order of sequences would be lost among samples of one time.
func SortKeepLast(ts []int64, vs []float64) ([]int64, []float64) {
	sort.Stable(&timeOrder{ts, vs})
	n := 0
	for i := range ts {
		if n > 0 && ts[n-1] == ts[i] {
			n--
		}
		ts[n], vs[n] = ts[i], vs[i]
		n++
	}
	return ts[:n], vs[:n]
}

// timeOrder sorts two arrays by the first.
type timeOrder struct {
	times  []int64
	values []float64
}

func (c *timeOrder) Len() int           { return len(c.times) }
func (c *timeOrder) Less(i, j int) bool { return c.times[i] < c.times[j] }
func (c *timeOrder) Swap(i, j int) {
	c.times[i], c.times[j] = c.times[j], c.times[i]
	c.values[i], c.values[j] = c.values[j], c.values[i]
}
