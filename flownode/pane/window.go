package pane

import "laminar/sequence"

// FirstEnd is the end of the first window that reads a sample at t: the
// smallest multiple T of step with T-offset >= t.
func FirstEnd(t, offset, step int64) int64 { return ceil(t+offset, step) }

// LastEnd is the end of the last window that reads a sample at t: the largest
// multiple T of step with T-offset-rng < t. It is below FirstEnd if no window
// reads the sample, because the step is wider than the range and the sample lies
// in the gap between two windows.
func LastEnd(t, rng, offset, step int64) int64 { return floor(t+offset+rng-1, step) }

// FloorEnd is the largest window end that is not after t.
func FloorEnd(t, step int64) int64 { return floor(t, step) }

// Bounds is the stretch of sample time that the window with this end reads.
func Bounds(end, rng, offset int64) sequence.Span {
	return sequence.Span{After: end - offset - rng, UpTo: end - offset}
}
