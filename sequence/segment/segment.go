// Package segment holds raw samples of one metric in one region as parallel
// arrays: the unit that is written, read and sealed.
//
// A hot segment belongs to one flush and carries its exact sequence. A sealed
// segment merges the hot segments of a generation; of its samples' sequences
// it keeps only the smallest and the largest.
//
// A segment exists in three forms. A Segment has arrays, which folds read. Hot
// segments are stored as columns (columns.go), which are cheap to make. Sealed
// segments are stored as runs (packed.go), which are small. Packer and Unpacker
// convert, and Merge makes sealed segments of hot ones.
//
// Segments name series and metrics by number. Package series says what these
// are, and package sequence where a flush or a snapshot stands. Select is here
// because it chooses segments, not samples. The package does not decide which
// samples are ordered, and does not know flows.
//
// The package is pure: no SQL, no clock, no goroutines.
package segment

import (
	"math"
	"time"

	"laminar/sequence"
)

// BucketMillis is the width of a time bucket, a day. No segment crosses a
// multiple of it, so a time offset inside a segment fits 32 bits and retention
// can drop whole buckets.
const BucketMillis = int64(24 * time.Hour / time.Millisecond)

// Bucket is the start of the time bucket that t (milliseconds since the epoch,
// from 0) lies in.
func Bucket(t int64) int64 { return t - t%BucketMillis }

// MaxTime is the last time a sample can have, milliseconds since the epoch: the
// end of the year 9999. The first is 0. PostgreSQL and Go spell every time
// between them, and a counter's partial packs it into 48 bits.
const MaxTime = int64(253402300799999)

// staleBits is Prometheus's staleness marker (model/value.StaleNaN): a NaN
// that says the series has ended, and no value.
const staleBits uint64 = 0x7ff0000000000002

// IsStale reports whether v is a stale marker and not a value. Every other NaN
// is an ordinary value.
func IsStale(v float64) bool { return math.Float64bits(v) == staleBits }

// Stale is the stale marker.
func Stale() float64 { return math.Float64frombits(staleBits) }

// Segment is samples of one metric, in one region, within one time bucket, as
// parallel arrays: sample i is (Series[i], Base+Offsets[i], Values[i]).
//
//	S1  len(Series) == len(Offsets) == len(Values) > 0
//	S2  MinT, MaxT are the smallest and largest sample time, in one bucket
//	S3  Base <= MinT and Offsets[i] >= 0
//	S4  hot: MinSeq == MaxSeq == the sequence of its flush
//	S5  Ordered (hot only): every sample is strictly newer than all samples of
//	    its series in earlier flushes, and than those of its kind (S8) before it
//	    in its own, in the arrays and in segments before
//	S6  sealed: sorted by (series, time), no (series, time) twice
//	S7  HasStale is true if any value is a stale marker
//	S8  all samples are floats (Histograms is nil), or all are native histograms:
//	    len(Histograms) == len(Values), Values[i] is the sum of histogram i and
//	    Histograms[i] the rest of it (package nativehist), never empty
//
// Floats and histograms share the key (series, time): they overwrite each other.
//
// S5 is what makes folding safe: an ordered segment neither repeats nor precedes
// anything that state may already hold (I7).
//
// A segment read from the store may share memory with a buffer of the reader:
// it is valid only until the next one is read. It is for one goroutine.
type Segment struct {
	Region         sequence.Region
	MinSeq, MaxSeq sequence.Seq
	Metric         sequence.MetricID
	Ordered        bool
	Sealed         bool
	HasStale       bool
	MinT, MaxT     sequence.Time
	Base           sequence.Time
	Series         []sequence.SeriesID
	Offsets        []int32 // milliseconds since Base
	Values         []float64
	Histograms     [][]byte // nil for floats

	// Wire is how many bytes the segment took on the connection when it was read; 0
	// for a segment that was not read from the store.
	Wire int
}

// ArrayBytes is the size of a float sample on the way from PostgreSQL, in a
// segment stored as arrays: three elements of 4, 4 and 8 bytes, each with its
// length.
const ArrayBytes = 3*4 + 16

// Len is the number of samples.
func (s *Segment) Len() int { return len(s.Series) }

// Time is the time of sample i in milliseconds since the epoch.
func (s *Segment) Time(i int) int64 { return s.Base + int64(s.Offsets[i]) }

// Span is the smallest span that holds all samples.
func (s *Segment) Span() sequence.Span { return sequence.Between(s.MinT, s.MaxT) }

// Info describes a segment, or several ordered ones together, without their
// samples. It is enough to decide what to do about them (flowplan.Plan) and how
// to read them (executor.Choose).
type Info struct {
	Region         sequence.Region
	MinSeq, MaxSeq sequence.Seq
	Metric         sequence.MetricID
	Ordered        bool
	Sealed         bool
	MinT, MaxT     sequence.Time
	Samples        int64
	Packed         int64 // of the samples: as columns (hot) or runs (sealed), not as arrays
	Bytes          int64 // of the samples when they are read, about
	Segments       int64 // that it is known of
}

// Span is the smallest span that holds all samples.
func (in *Info) Span() sequence.Span { return sequence.Between(in.MinT, in.MaxT) }
