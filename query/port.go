package query

import (
	"context"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/query/labelindex"
	"laminar/query/samples"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Store is where snapshots come from.
type Store interface {
	// Snapshot takes a snapshot, which Named will be asked for these names of.
	Snapshot(ctx context.Context, names []string) (Snapshot, error)
}

// Snapshot is the raw data at one position. It is for one goroutine, and should be
// closed within a few seconds.
type Snapshot interface {
	labelindex.Source
	samples.Source
	MetricLister
	Results
	Expressions
	// End says that nothing more is read. It does not wait for the end of the snapshot.
	End()
	// Close waits for it, and gives back what the snapshot has taken.
	Close(ctx context.Context) error
}

// MetricLister knows which metrics have samples.
type MetricLister interface {
	// Metrics lists the metrics that have segments which overlap the span, of those that
	// are named, in the order of their names; nil names mean every metric.
	Metrics(ctx context.Context, names []string, span sequence.Span) ([]series.Metric, error)
}

// Results is what is stored of flows, at the snapshot's position.
type Results interface {
	// Named lists the flows of the names that have a closed window, nil names mean all
	// flows; only ID, Def and EmittedUntil need be set. Results of them can be read.
	Named(ctx context.Context, names []string) ([]progress.Flow, error)
	// Stand is where a flow that Named has listed stands in the change log of its results.
	Stand(id progress.FlowID) (changelog.Incarnation, changelog.Position)
	// Hides reports whether a raw metric has the name of a flow that Named has listed.
	Hides(id progress.FlowID) bool
	// Flow loads a flow with its progress.
	Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error)
	// Groups lists the flow's rows of windows that end in the span by group; false where
	// only ResultsUpTo can read them. Where they are more than most, that is
	// progress.ErrTooManyRows, here and below, and no more are held. Groups with other
	// values in label columns than only has may be left out.
	Groups(ctx context.Context, id progress.FlowID, ends sequence.Span, only map[string]string, most int) ([]progress.Group, bool, error)
	// ResultsUpTo lists the flow's rows of windows that end in the span, oldest window first.
	ResultsUpTo(ctx context.Context, id progress.FlowID, ends sequence.Span, most int) ([]progress.Window, error)
	// ResultsAt lists rows of windows that end at first, first + step, ... up to last, ms;
	// further ones may be among them.
	ResultsAt(ctx context.Context, id progress.FlowID, first, last sequence.Time, step int64, most int) ([]progress.Window, error)
}

// Expressions is what is stored of flows that can answer for their expressions.
type Expressions interface {
	// Answering lists the flows of the ids, nil ids mean all, whose rows can stand for
	// their expression, as far as can be told without looking at the definition; only ID
	// and Hash are set. A flow whose results were read before is among them only if they
	// were those that the snapshot shows.
	Answering(ctx context.Context, ids []progress.FlowID) ([]progress.Head, error)
	// Definitions lists the definitions of flows, of those that are understood; only ID
	// and Def are set.
	Definitions(ctx context.Context, ids []progress.FlowID) ([]progress.Flow, error)
	// PendingRefills lists the flow's unfinished refills; windows with NextT < end <= To
	// are still to be computed.
	PendingRefills(ctx context.Context, id progress.FlowID) ([]progress.Job, error)
	// Infos describes the segments of the metrics that may hold samples after the vector.
	Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error)
	// ReadDelta calls fn for every hot segment of the metrics in the ranges.
	ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error
}
