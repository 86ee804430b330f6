package segment

import "laminar/sequence"

// Select says which segments to read. Zero fields do not restrict. A selection
// may yield more than was asked for, never less: readers check each sample that
// they use.
type Select struct {
	Metrics []sequence.MetricID // required
	// Series, when not nil, is a hint: segments that hold none of these may be
	// left out. What is read may still hold samples of others.
	Series []sequence.SeriesID
	// After < t <= UpTo, in milliseconds; UpTo 0 does not restrict. Whole
	// segments are read: samples outside the span come too and are for the
	// reader to leave out.
	After, UpTo int64
	// Spans, when not nil, is a hint like Series: segments that overlap none of
	// these may be left out. They are disjoint and ascending.
	Spans []Span
}

// Pick chooses segments by whether they are ordered (S5).
type Pick int

// The choices.
const (
	PickAll Pick = iota
	PickOrdered
	PickUnordered
)

// Span is a stretch of sample time in milliseconds since the epoch, both ends
// included: MinT <= t <= MaxT. It describes samples that are there; stretches
// that windows read are open below.
type Span struct{ MinT, MaxT int64 }
