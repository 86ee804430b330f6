package series

import (
	"crypto/sha256"

	"laminar/sequence"
)

// Last is the newest sample of a series.
type Last struct {
	Series    sequence.SeriesID
	T         sequence.Time
	Value     float64
	Histogram Digest // of its payload; zero for a float
}

// Missed is what other writers did to a region between two positions: exact
// newest samples of the series they wrote, and for what was too much or too
// old to read exactly a floor by metric: a time that no series of the metric
// has a newer sample than, other than those listed in Lasts.
type Missed struct {
	Lasts  []Last
	Floors map[sequence.MetricID]int64 // milliseconds since the epoch

	// Removed is the series whose rows were deleted, because no sample of them was
	// stored any more. Who writes to one of them now must create it again.
	Removed []sequence.SeriesID

	// Gap says that not every commit between the positions is remembered, so that
	// others may have been removed.
	Gap bool
}

// Digest stands for a native histogram's payload where only equality matters:
// the first half of its SHA-256. That of a float sample is zero.
type Digest [16]byte

// DigestOf is the digest of a payload; of none, as floats have, it is zero.
func DigestOf(payload []byte) Digest {
	if len(payload) == 0 {
		return Digest{}
	}
	sum := sha256.Sum256(payload)
	return Digest(sum[:16])
}
