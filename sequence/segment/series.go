package segment

import "laminar/sequence"

// Series is a stored series. (Region, Seq) is the flush that created it.
type Series struct {
	ID     SeriesID
	Metric MetricID
	Region sequence.Region
	Seq    sequence.Seq
	Labels []Label // sorted by name, __name__ included
}

// Span is a stretch of time in milliseconds since the epoch, both ends
// included: MinT <= t <= MaxT.
type Span struct{ MinT, MaxT int64 }
