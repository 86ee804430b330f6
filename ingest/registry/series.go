package registry

import (
	"math"

	"laminar/ingest/metadata"
	"laminar/ingest/refusal"
	"laminar/sequence"
)

// NoSample as a series' newest time says that it has no samples.
const NoSample = int64(math.MinInt64)

// Metric is a metric name within one region. There is one object per name and
// region, so a draft can count its samples without looking names up, and what one
// region's lock guards is never touched under another's.
type Metric struct {
	Name   string
	Region sequence.Region
	series int // series of it that are remembered; guarded by Registry.mu

	// Where the metric's samples are counted in a draft: floats and native
	// histograms apart, because they go into segments of their own. Guarded by
	// the mutex of the region's buffer.
	Floats, Histograms DraftMark

	Described metadata.Seen // any goroutine
}

// DraftMark is where a metric stands in one draft: the metric with number Place of the
// draft with the number Draft.
type DraftMark struct {
	Draft uint32
	Place int32
}

// Series is what this process knows of one series. There is one object per
// label set that is remembered; one that has been forgotten is dead and must
// be looked up again before samples are added to it.
//
// There may be millions: it fits a cache line of 64 bytes, and its labels are
// kept once, as they were first spelled. Labels as strings would take five times as
// much, and are needed only when the series is created or forgotten.
type Series struct {
	first  *Spelling // one way to write its labels
	Metric *Metric   // of the region that it lives in

	// Guarded by the mutex of the region's buffer: the newest sample of the
	// series in the draft with the number Draft, and where it stands there.
	DraftT   int64
	Draft    uint32
	DraftPos int32

	// Owned by the region's flusher, but for what stands among them to leave
	// no gaps.
	//
	//	ID == 0 until a flush that created or found the series has committed
	//	LastT is not smaller than the time of any committed sample
	//	Exact: (LastT, LastV) is a committed float, or a committed histogram and
	//	its sum (the flusher has the rest), and the sample that counts
	LastT  int64 // milliseconds since the epoch, or noSample
	LastV  float64
	SeenAt int64 // process's clock, ms: last flush that had samples of it
	ID     sequence.SeriesID
	Exact  Exactness

	Dead      bool  // guarded by the mutex of the region's buffer
	spellings uint8 // entries of the spelling tables; guarded by Registry.mu

	// Sender is who has brought the series to this process (Senders.Number). It
	// never changes.
	Sender uint8
}

// Exactness is what is known of a series' newest sample.
type Exactness uint8

// What may be known.
const (
	NotExact Exactness = iota // lastT is a bound, or there is no sample
	ExactFloat
	ExactHistogram
)

// Canonical is the canonical labels of the series. They are made anew each
// time: only creating and forgetting a series and texts for people need them.
func (s *Series) Canonical() []byte { return s.first.canonical() }

// Spell writes the labels the way PromQL does, for texts people read.
func (s *Series) Spell() string { return refusal.SpellCanonical(s.Canonical()) }

// See learns of a committed float. One that is newer than all before, or that
// replaces the newest, is the newest sample from here on; older ones change
// nothing.
func (s *Series) See(t int64, v float64) {
	if t >= s.LastT {
		s.LastT, s.LastV, s.Exact = t, v, ExactFloat
	}
}

// Raise learns that the series may have samples up to t (ms since the epoch) whose
// values are not known. Then t is a bound only, and no sample is recognised as a
// repeat until one is committed after it.
func (s *Series) Raise(t int64) {
	if t >= s.LastT {
		s.LastT, s.Exact = t, NotExact
	}
}
