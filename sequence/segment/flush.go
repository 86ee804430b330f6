package segment

import "laminar/sequence"

// Label is one name and value of a series.
type Label struct{ Name, Value string }

// Flush is where one flush of a region stands, known from the moment the
// region's row is locked.
type Flush struct {
	Region     sequence.Region
	Seq        sequence.Seq     // the sequence this flush takes
	ID         sequence.FlushID // random id of this flush
	PrevID     sequence.FlushID // id of the flush before it; zero when Seq == 1
	Generation int32            // generation it is written to
	Earliest   int64            // samples before this time (ms) have been given up by retention; 0 when none were
	Now        int64            // the database's clock, ms since the epoch
}

// NewSeries is a series that may have to be created.
type NewSeries struct {
	Metric MetricID
	SHA256 [32]byte // of the canonical labels, see CanonicalLabels
	Labels []Label  // sorted by name, __name__ included
}

// CreatedSeries answers a NewSeries: its id, and whether this flush created it.
// A series that was created just now has no earlier samples.
type CreatedSeries struct {
	ID      SeriesID
	Created bool
}

// Last is the newest sample of a series.
type Last struct {
	Series    SeriesID
	T         int64 // milliseconds since the epoch
	Value     float64
	Histogram Digest // of its payload; zero for a float
}

// Missed is what other writers did to a region between two positions: exact
// newest samples of the series they wrote, and for what was too much or too
// old to read exactly a floor by metric: a time that no series of the metric
// has a newer sample than, other than those listed in Lasts.
type Missed struct {
	Lasts  []Last
	Floors map[MetricID]int64 // milliseconds since the epoch
}
