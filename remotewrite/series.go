package remotewrite

import (
	"math"
	"sync/atomic"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// noSample as a series' newest time says that it has no samples.
const noSample = int64(math.MinInt64)

// metric is a metric name within one region. There is one object per name and
// region, so a draft can count its samples without looking names up.
type metric struct {
	name   string
	series int // series of it that are remembered; guarded by registry.mu

	// Guarded by the mutex of the region's buffer: the metric's slot in the
	// draft that is numbered epoch.
	epoch uint64
	slot  int32

	// What was last seen of its metadata (hashMetadata) and when, by the
	// keeper's clock; any goroutine.
	metadata   atomic.Uint64
	metadataAt atomic.Int64
}

// series is what this process knows of one series. There is one object per
// label set that is remembered; one that has been forgotten is dead and must
// be looked up again before samples are added to it.
type series struct {
	canonical string // canonical labels
	metric    *metric
	region    sequence.Region
	order     uint64 // number of creation within the process
	spellings int    // entries of the spelling table; guarded by registry.mu

	// Guarded by the mutex of the region's buffer: the newest sample of the
	// series in the draft that is numbered epoch, and where it stands there.
	dead     bool
	epoch    uint64
	draftT   int64
	draftPos int32

	// Owned by the region's flusher.
	//
	//	id == 0 until a flush that created or found the series has committed
	//	lastT is not smaller than the time of any committed sample
	//	exact: (lastT, lastV) is a committed sample and the one that counts
	id     segment.SeriesID
	exact  bool
	lastT  int64 // milliseconds since the epoch, or noSample
	lastV  float64
	seenAt int64 // process's clock, ms: last flush that had samples of it
}

// see takes note of a newer sample than all before, or of one that replaces
// the newest. Older ones change nothing.
func (s *series) see(t int64, v float64) {
	if t >= s.lastT {
		s.lastT, s.lastV, s.exact = t, v, true
	}
}

// raise takes note that the series may have samples up to t whose values are
// not known.
func (s *series) raise(t int64) {
	if t >= s.lastT {
		s.lastT, s.exact = t, false
	}
}
