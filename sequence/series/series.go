package series

import "laminar/sequence"

// Series is a stored series. (Region, Seq) is the flush that created it.
type Series struct {
	ID     sequence.SeriesID
	Metric sequence.MetricID
	Region sequence.Region
	Seq    sequence.Seq
	Labels []Label // sorted by name, __name__ included
}

// Metric is a stored metric.
type Metric struct {
	ID   sequence.MetricID
	Name string
}

// Wanted is a series that a flush needs and that may have to be created.
type Wanted struct {
	Metric sequence.MetricID
	SHA256 [32]byte // of the canonical labels, see CanonicalLabels
	Labels []Label  // sorted by name, __name__ included
}

// Stored answers a Wanted: the series' id, and whether this flush created it.
// A series that was created just now has no earlier samples.
type Stored struct {
	ID      sequence.SeriesID
	Created bool
}
