package segment

import "laminar/sequence"

// Position is where a snapshot stands. Everything read in the snapshot sees
// exactly the flushes up to Vector.
type Position struct {
	Vector   sequence.Vector
	Flushes  map[sequence.Region]sequence.FlushID // the flush that took Vector.At(r)
	Now      int64                                // the database's clock, ms since the epoch
	Earliest int64                                // raw samples before this time (ms) have been given up; 0 when none were

	// Histograms is the metrics that hold native histograms, or once did,
	// ascending. It must not be changed.
	Histograms []MetricID
}

// Select says which samples to read. Zero fields do not restrict.
type Select struct {
	Metrics []MetricID // required
	// Series, when not nil, is a hint: segments that hold none of these may be
	// left out. What is read may still hold samples of others.
	Series []SeriesID
	// After < t <= UpTo, in milliseconds; UpTo 0 does not restrict. Whole
	// segments are read: samples outside the span come too and are for the
	// reader to leave out.
	After, UpTo int64
	// Spans, when not nil, is a hint like Series: segments that overlap none of
	// these may be left out. They are disjoint and ascending.
	Spans []Span
}

// Pick chooses segments by their order.
type Pick int

// The choices.
const (
	PickAll Pick = iota
	PickOrdered
	PickUnordered
)
