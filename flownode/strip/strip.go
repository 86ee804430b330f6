package strip

import (
	"math"
	"slices"

	"laminar/flownode/pane"
	"laminar/sequence"
)

// State is what a window is. A window that several words fit is the first of them in
// the order Refilling, Dirty, Open, Kept, Closed.
type State string

// The states of windows.
const (
	Refilling State = "refilling" // an unfinished refill has yet to compute it
	Dirty     State = "dirty"     // closed, and to be computed again
	Open      State = "open"      // samples of it may still come
	Kept      State = "kept"      // closed, and it cannot be computed again: raw samples of it are given up
	Closed    State = "closed"    // computed, after the watermark passed its end
	None      State = "none"      // nothing is stored about it: it was never computed, or is not kept any more
)

// Known is what is known of a flow's windows. Times are ends of windows, in ms, or
// sequence.NoTime.
type Known struct {
	Windows pane.Windows
	Emitted sequence.Time // windows up to it are closed
	Reached sequence.Time // the newest window that a sample has reached
	Begins  sequence.Time // windows after it are all computed, older ones only where asked for or touched
	Expired sequence.Time // results of windows before it are not kept

	// Rebuildable is the first window of which all raw samples are there;
	// math.MaxInt64 for none.
	Rebuildable sequence.Time

	Dirty   []sequence.Time // ascending, each once
	Refills []sequence.Span // what unfinished refills have yet to compute
}

// NeverRebuildable is Known.Rebuildable of a flow of which no window can be computed again.
const NeverRebuildable = sequence.Time(math.MaxInt64)

// Cell is a stretch of the strip: the windows that end in it, and the first and the last
// of these with a result; sequence.NoTime where none has one.
type Cell struct {
	Ends        sequence.Span
	First, Last sequence.Time
}

// Counts is how many windows of a cell are in which state. Those that are in none are
// the rest of Windows.
type Counts struct {
	Windows                              int64
	Refilling, Dirty, Open, Kept, Closed int64
}

// Sum counts the windows of each cell.
//
// Of windows up to Begins nobody has noted which were computed. They count as computed
// from the first to the last of the cell that has a result.
func (k *Known) Sum(cells []Cell) []Counts {
	refills := sequence.Union(slices.Clone(k.Refills)...)
	out := make([]Counts, len(cells))
	for i, c := range cells {
		out[i] = k.sum(c, refills)
	}
	return out
}

// Of is the state of the window with this end; rows reports whether it has results.
func (k *Known) Of(end sequence.Time, rows bool) State {
	c := Cell{Ends: sequence.Between(end, end), First: sequence.NoTime, Last: sequence.NoTime}
	if rows {
		c.First, c.Last = end, end
	}
	n := k.Sum([]Cell{c})[0]
	switch {
	case n.Refilling > 0:
		return Refilling
	case n.Dirty > 0:
		return Dirty
	case n.Open > 0:
		return Open
	case n.Kept > 0:
		return Kept
	case n.Closed > 0:
		return Closed
	}
	return None
}

func (k *Known) sum(c Cell, refills sequence.Spans) (n Counts) {
	all := c.Ends
	n.Windows = k.Windows.Count(all)
	due := func(span sequence.Span) (n int64) {
		for _, r := range refills {
			n += k.Windows.Count(span.Cut(r))
		}
		return n
	}
	dirty := func(span sequence.Span) (n int64) {
		from, to := span.Within(k.Dirty)
		for _, end := range k.Dirty[from:to] {
			if !refills.Hold(end) {
				n++
			}
		}
		return n
	}
	// Those of a stretch that nothing is due for.
	settled := func(span sequence.Span) int64 {
		if span.Empty() {
			return 0
		}
		return k.Windows.Count(span) - due(span) - dirty(span)
	}
	open := all.Cut(sequence.Span{After: k.Emitted, UpTo: k.Reached})
	n.Refilling, n.Dirty = due(all.Cut(sequence.Span{After: math.MinInt64, UpTo: max(k.Emitted, k.Reached)})), dirty(all)
	n.Open = settled(open)
	late := all.Cut(sequence.Span{After: max(k.Begins, k.Expired-1), UpTo: k.Emitted})
	early := sequence.Span{}
	if c.First != sequence.NoTime {
		early = sequence.Between(c.First, c.Last).Cut(sequence.Span{After: math.MinInt64, UpTo: min(late.After, k.Emitted)})
	}
	gone := sequence.Span{After: math.MinInt64, UpTo: k.Rebuildable - 1}
	for _, span := range []sequence.Span{late, early} {
		kept := settled(span.Cut(gone))
		n.Kept += kept
		n.Closed += settled(span) - kept
	}
	return n
}

// Cells divides the windows that end in the span into at most n cells of whole windows,
// all but the last equally long, oldest first. It makes the span one of whole windows.
func Cells(windows pane.Windows, span sequence.Span, n int64) (cells []Cell, width int64) {
	span.After, span.UpTo = windows.Last(span.After), windows.Last(span.UpTo)
	total := windows.Count(span)
	if total <= 0 || n <= 0 {
		return nil, windows.Every
	}
	width = (total + n - 1) / n * windows.Every
	for after := span.After; after < span.UpTo; after += width {
		cells = append(cells, Cell{
			Ends:  sequence.Span{After: after, UpTo: min(after+width, span.UpTo)},
			First: sequence.NoTime, Last: sequence.NoTime,
		})
	}
	return cells, width
}

// Ends lists each of the times once, ascending.
func Ends(times []sequence.Time) []sequence.Time {
	slices.Sort(times)
	return slices.Compact(times)
}
