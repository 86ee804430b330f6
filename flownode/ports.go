package flownode

import (
	"context"

	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Snapshotter takes snapshots of the raw data.
type Snapshotter interface {
	// Snapshot begins a REPEATABLE READ transaction that sees regions, series
	// and segments at one position, and protects the segment tables it may
	// read from being dropped. Close it within a few seconds: it holds back
	// vacuum and drops.
	Snapshot(ctx context.Context) (Snapshot, error)

	// CurrentVector is where the regions stand: cheap enough to ask every
	// second.
	CurrentVector(ctx context.Context) (sequence.Vector, error)
}

// Snapshot reads the raw data at one position. It is for one goroutine.
type Snapshot interface {
	Position() sequence.Position

	// CheckHistory returns sequence.ErrHistoryChanged when the flushes that
	// took the given sequences are not in the snapshot any more.
	CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error

	// Series lists the series created after the vector whose metric has one of
	// the names; nil names mean every metric. Of the labels of each only those
	// named in only have to be given, all if there are none. Label sets may be
	// shared and are never changed.
	Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error)

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
	// sorted by MinT, merged where they touch.
	Spans(ctx context.Context, sel segment.Select) ([]segment.Span, error)

	// AggregateDelta folds the ordered hot segments in the ranges to simple
	// partials in the database. Slots[i] is the slot of Series[i]. Where SQL
	// cannot (a sum that overflows is an error in SQL), it returns
	// partial.ErrNeedsColumnar, perhaps after some calls of fn.
	AggregateDelta(ctx context.Context, q SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(pane int64, slot int32, part partial.Simple) error) error

	// AggregateRaw does the same for all samples in (After, UpTo], each
	// (series, time) once, the highest sequence winning.
	AggregateRaw(ctx context.Context, q SimpleQuery, after, upTo int64, fn func(pane int64, slot int32, part partial.Simple) error) error

	Close(ctx context.Context) error
}

// SimpleQuery asks PostgreSQL for simple partials.
type SimpleQuery = partial.SimpleQuery

// Catalog is where flows are defined.
type Catalog interface {
	// Heads lists all flows, cheaply, to see what came, went or changed.
	Heads(ctx context.Context) ([]progress.Head, error)

	// Take makes the caller the flow's owner by raising its epoch, creates the
	// result table if it is not there, and loads definition, progress and
	// dirty list.
	Take(ctx context.Context, id progress.FlowID) (progress.Flow, error)
}

// Materializer writes results.
type Materializer interface {
	// Commit writes the rounds in one transaction. A round that cannot be
	// written is reported in its Outcome and leaves the others alone; an error
	// means that nothing, or with sequence.ErrCommitUnknown perhaps
	// everything, was written.
	Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error)
}

// JobQueue hands out refill jobs.
type JobQueue interface {
	// NextJobs returns the oldest unfinished job of each of the flows that has
	// one, with its position.
	NextJobs(ctx context.Context, flows []progress.FlowID) ([]progress.Job, error)
}

// Elector makes one flownode of many the active one.
type Elector interface {
	// Campaign blocks until this process is the only leader or ctx ends. The
	// channel is closed when leadership is lost; resign gives it up.
	Campaign(ctx context.Context) (lost <-chan struct{}, resign func(), err error)
}
