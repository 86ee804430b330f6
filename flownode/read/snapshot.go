package read

import (
	"context"

	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// The port to the raw data. sqlstore/raw implements it, and a store in memory does
// for the tests.
//
// Source and Aggregator are apart, because only a source of raw samples is needed
// for right results. Aggregation by the database is an optimization.
//
// Two errors are answers, and the snapshot can still be read after them:
// sequence.ErrHistoryChanged and partial.ErrNeedsColumnar. After any other error
// the transaction has failed, and the snapshot can only be closed.

// Snapshot is the raw data at one position: a REPEATABLE READ transaction that
// sees regions, series and segments together, and protects the segment tables it
// may read from being dropped. It is for one goroutine. Close it within a few
// seconds: it holds back vacuum and drops.
type Snapshot interface {
	Source
	Aggregator
	Results
	Commits
	Close(ctx context.Context) error
}

// Results is what is stored of flows' results.
type Results interface {
	// StoredResults lists the rows of a flow, which this process has taken or the
	// snapshot has loaded, in windows that end in the span, oldest window first.
	// Several entries may have one end.
	StoredResults(ctx context.Context, f *progress.Flow, ends sequence.Span) ([]progress.Window, error)
}

// Commits is when flushes were committed.
type Commits interface {
	// Committed is the commit times of the sequences in the ranges, by the database's
	// clock. Those that are not known any more are left out.
	Committed(ctx context.Context, ranges map[sequence.Region]sequence.Range) (map[sequence.Region]map[sequence.Seq]sequence.Time, error)
}

// Source is what a Reader reads from.
type Source interface {
	History
	SeriesLister
	Segments
}

// History is where the regions stand, and whether what was read before is still
// part of it.
type History interface {
	Position() sequence.Position

	// CheckHistory returns sequence.ErrHistoryChanged when the flushes that
	// took the given sequences are not in the snapshot any more.
	CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error
}

// SeriesLister knows the series.
type SeriesLister interface {
	// Series lists the series created after the vector whose metric has one of
	// the names; nil names mean every metric. Of the labels of each only those
	// named in only have to be given, all if there are none. Label sets may be
	// shared and are never changed.
	Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error)

	// There tells how many of the series are there; the others have no samples any
	// more. Position().Removed grows with those that are not.
	There(ctx context.Context, ids []sequence.SeriesID) (int, error)
}

// Segments is the samples.
type Segments interface {
	// Infos describes every segment that may hold samples after the vector:
	// hot ones with a sequence after it, sealed ones with MaxSeq after it.
	// Ordered hot ones of a region and metric may be described as one.
	Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error)

	// ReadDelta calls fn for every hot segment in the ranges, in ascending
	// (sequence, segment number) within a region and metric.
	ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error

	// ReadRaw calls fn for every segment, sealed and hot, that overlaps the
	// selection, in such an order that of two samples of one series and time
	// the one with the higher sequence comes later.
	//
	// With several functions each gets the segments of regions of its own, always
	// of the same for as many functions, and different ones may be called at the
	// same time. One that fails ends the reading; none is called any more when
	// ReadRaw returns.
	ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error

	// Spans lists the time spans of the segments that overlap the selection,
	// joined where they touch.
	Spans(ctx context.Context, sel segment.Select) (sequence.Spans, error)
}

// Aggregator lets the database compute simple partials.
type Aggregator interface {
	// AggregateDelta folds the ordered hot segments in the ranges to simple
	// partials in the database. Slots[i] is the slot of Series[i]. Where SQL
	// cannot (a sum that overflows is an error in SQL), it returns
	// partial.ErrNeedsColumnar, perhaps after some calls of fn.
	AggregateDelta(ctx context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(pane int64, slot int32, part partial.Simple) error) error

	// AggregateRaw does the same for all samples in the span, each
	// (series, time) once, the highest sequence winning.
	AggregateRaw(ctx context.Context, q partial.SimpleQuery, span sequence.Span, fn func(pane int64, slot int32, part partial.Simple) error) error
}
