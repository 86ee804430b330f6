package ingest

import (
	"math"

	"laminar/ingest/metadata"
	"laminar/ingest/refusal"
	"laminar/sequence"
)

// noSample as a series' newest time says that it has no samples.
const noSample = int64(math.MinInt64)

// metric is a metric name within one region. There is one object per name and
// region, so a draft can count its samples without looking names up, and what one
// region's lock guards is never touched under another's.
type metric struct {
	name   string
	region sequence.Region
	series int // series of it that are remembered; guarded by registry.mu

	// Where the metric's samples are counted in a draft: floats and native
	// histograms apart, because they go into segments of their own. Guarded by
	// the mutex of the region's buffer.
	floats, histograms draftMark

	described metadata.Seen // any goroutine
}

// draftMark is where a metric stands in one draft: draft.metrics[place] of the
// draft with this number.
type draftMark struct {
	draft uint32
	place int32
}

// knownSeries is what this process knows of one series. There is one object per
// label set that is remembered; one that has been forgotten is dead and must
// be looked up again before samples are added to it.
//
// There may be millions: it fits a cache line of 64 bytes, and its labels are
// kept once, as they were first spelled. Labels as strings would take five times as
// much, and are needed only when the series is created or forgotten.
type knownSeries struct {
	first  *Spelling // one way to write its labels
	metric *metric   // of the region that it lives in

	// Guarded by the mutex of the region's buffer: the newest sample of the
	// series in the draft with the number draft, and where it stands there.
	draftT   int64
	draft    uint32
	draftPos int32

	// Owned by the region's flusher, but for what stands among them to leave
	// no gaps.
	//
	//	id == 0 until a flush that created or found the series has committed
	//	lastT is not smaller than the time of any committed sample
	//	exact: (lastT, lastV) is a committed float, or a committed histogram and
	//	its sum (known.histograms has the rest), and the sample that counts
	lastT  int64 // milliseconds since the epoch, or noSample
	lastV  float64
	seenAt int64 // process's clock, ms: last flush that had samples of it
	id     sequence.SeriesID
	exact  exactness

	dead      bool  // guarded by the mutex of the region's buffer
	spellings uint8 // entries of the spelling tables; guarded by registry.mu
}

// exactness is what is known of a series' newest sample.
type exactness uint8

const (
	notExact exactness = iota // lastT is a bound, or there is no sample
	exactFloat
	exactHistogram
)

// canonical is the canonical labels of the series. They are made anew each
// time: only creating and forgetting a series and texts for people need them.
func (s *knownSeries) canonical() []byte { return s.first.canonical() }

// spell writes the labels the way PromQL does, for texts people read.
func (s *knownSeries) spell() string { return refusal.SpellCanonical(s.canonical()) }

// see learns of a committed float. One that is newer than all before, or that
// replaces the newest, is the newest sample from here on; older ones change
// nothing.
func (s *knownSeries) see(t int64, v float64) {
	if t >= s.lastT {
		s.lastT, s.lastV, s.exact = t, v, exactFloat
	}
}

// raise learns that the series may have samples up to t (ms since the epoch) whose
// values are not known. Then t is a bound only, and no sample is recognised as a
// repeat until one is committed after it.
func (s *knownSeries) raise(t int64) {
	if t >= s.lastT {
		s.lastT, s.exact = t, notExact
	}
}
