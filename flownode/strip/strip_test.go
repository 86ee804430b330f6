package strip

import (
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/pane"
	"laminar/sequence"
)

// naive is the state of one window, word by word as the states are described.
func naive(k *Known, end sequence.Time, rows bool) State {
	refilling := slices.ContainsFunc(k.Refills, func(r sequence.Span) bool { return r.Holds(end) })
	switch {
	case refilling && end <= max(k.Emitted, k.Reached):
		return Refilling
	case refilling:
		return None
	case slices.Contains(k.Dirty, end):
		return Dirty
	case end > k.Emitted && end <= k.Reached:
		return Open
	case end > k.Emitted:
		return None
	case !rows && (end <= k.Begins || end < k.Expired):
		return None
	case end < k.Rebuildable:
		return Kept
	}
	return Closed
}

// TestSumCountsWhatEachWindowIs compares the counts of random cells with those of
// looking at every window of theirs.
func TestSumCountsWhatEachWindowIs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	any := func() sequence.Time { return rnd.Int64N(400) - 1 }
	for range 20_000 {
		k := &Known{
			Windows: pane.Windows{Every: 1 + rnd.Int64N(5), Range: 10}, Emitted: any(), Begins: any(), Expired: any(), Rebuildable: any(),
		}
		k.Emitted = k.Windows.Last(k.Emitted)
		k.Reached = k.Emitted + rnd.Int64N(20)
		if rnd.IntN(10) == 0 {
			k.Rebuildable = NeverRebuildable
		}
		for range rnd.IntN(6) {
			if end := k.Windows.Last(any()); end > 0 && end <= k.Emitted {
				k.Dirty = append(k.Dirty, end)
			}
		}
		k.Dirty = Ends(k.Dirty)
		for range rnd.IntN(3) {
			after := any()
			k.Refills = append(k.Refills, sequence.Span{After: after, UpTo: after + 1 + rnd.Int64N(60)})
		}
		span := sequence.Span{After: any(), UpTo: any()}
		cells, width := Cells(k.Windows, span, 1+rnd.Int64N(20))
		if width%k.Windows.Every != 0 {
			t.Fatalf("cells of %d ms with windows every %d ms", width, k.Windows.Every)
		}
		var whole []sequence.Time // what the cells have together
		for i := range cells {
			c := &cells[i]
			// Results from some window of the cell to another.
			ends := slices.Collect(k.Windows.Ends(k.Windows.Next(c.Ends.After), c.Ends.UpTo))
			whole = append(whole, ends...)
			if len(ends) > 0 && rnd.IntN(2) == 0 {
				a, b := rnd.IntN(len(ends)), rnd.IntN(len(ends))
				c.First, c.Last = ends[min(a, b)], ends[max(a, b)]
			}
		}
		want := slices.Collect(k.Windows.Ends(k.Windows.Next(k.Windows.Last(span.After)), span.UpTo))
		if !slices.Equal(whole, want) {
			t.Fatalf("cells of %v have the windows %v, want %v", span, whole, want)
		}
		for i, got := range k.Sum(cells) {
			c := cells[i]
			var sum Counts
			for end := range k.Windows.Ends(k.Windows.Next(c.Ends.After), c.Ends.UpTo) {
				sum.Windows++
				rows := c.First != sequence.NoTime && c.First <= end && end <= c.Last
				state := naive(k, end, rows)
				if of := k.Of(end, rows); of != state {
					t.Fatalf("%+v: window %d with rows %t is %s, want %s", k, end, rows, of, state)
				}
				switch state {
				case Refilling:
					sum.Refilling++
				case Dirty:
					sum.Dirty++
				case Open:
					sum.Open++
				case Kept:
					sum.Kept++
				case Closed:
					sum.Closed++
				}
			}
			if got != sum {
				t.Fatalf("%+v: cell %+v has %+v, want %+v", k, c, got, sum)
			}
		}
	}
}
