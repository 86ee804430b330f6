package pane

import (
	"iter"

	"laminar/sequence"
)

// Windows is the windows of a flow, or those of one of its leaves: where they end,
// and what each reads. A window is named by its end, and windows end from 1970 on.
//
// Ends are multiples of a fixed step. All that counts windows or goes from one to
// the next is here, so that other windows, which do not end so regularly, change
// nothing else.
type Windows struct {
	Every  int64 // from one end to the next, ms; positive
	Range  int64 // how much sample time a window reads, ms
	Offset int64 // how long before its end that stops, ms; of any sign
}

// Next is the first end after a time.
func (w Windows) Next(after sequence.Time) sequence.Time { return w.From(after + 1) }

// From is the first end at a time or after it.
func (w Windows) From(t sequence.Time) sequence.Time { return max(0, ceil(t, w.Every)) }

// Last is the last end at a time or before it; below 0 when there is none.
func (w Windows) Last(upTo sequence.Time) sequence.Time { return floor(upTo, w.Every) }

// Count is how many windows end in a span.
func (w Windows) Count(ends sequence.Span) int64 {
	return max(0, w.Last(ends.UpTo)-w.Last(ends.After)) / w.Every
}

// Ends is the ends from first, which is one, to last.
func (w Windows) Ends(first, last sequence.Time) iter.Seq[sequence.Time] {
	return func(yield func(sequence.Time) bool) {
		for end := first; end <= last && yield(end); end += w.Every {
		}
	}
}

// Bounds is the stretch of sample time that the window with this end reads.
func (w Windows) Bounds(end sequence.Time) sequence.Span {
	return sequence.Span{After: end - w.Offset - w.Range, UpTo: end - w.Offset}
}

// Of is the ends of the first and the last window that samples in the span can
// reach. Last is before first when there is none: it is below 0, or the step is
// wider than the range and the span lies in the gap between two windows.
func (w Windows) Of(samples sequence.Span) (first, last sequence.Time) {
	return w.Next(samples.After + w.Offset), w.Last(samples.UpTo + w.Offset + w.Range - 1)
}
