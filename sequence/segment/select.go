package segment

// The words in which a reader asks for segments. Metrics and Span can be answered by
// an index; the others are hints, because to follow them exactly would need a look
// at the samples, which the reader takes anyway.

import "laminar/sequence"

// Select says which segments to read. Zero fields do not restrict. A selection
// may yield more than was asked for, never less: readers check each sample that
// they use.
type Select struct {
	Metrics []sequence.MetricID // required
	// Series, when not nil, is a hint: segments that hold none of these may be
	// left out. What is read may still hold samples of others.
	Series []sequence.SeriesID
	// Span is of sample time; the zero Span does not restrict. Whole segments are
	// read: samples outside the span come too and are for the reader to leave out.
	Span sequence.Span
	// Spans, when not nil, is a hint like Series: segments that overlap none of
	// these may be left out.
	Spans sequence.Spans
}

// Pick chooses segments by whether they are ordered (S5).
type Pick int

// The choices.
const (
	PickAll Pick = iota
	PickOrdered
	PickUnordered
)
