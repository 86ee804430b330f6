package query

import (
	"context"

	"laminar/query/labelindex"
	"laminar/query/samples"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Store is where snapshots come from.
type Store interface {
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is the raw data at one position. It is for one goroutine, and should be
// closed within a few seconds.
type Snapshot interface {
	labelindex.Source
	samples.Source
	MetricLister
	Close(ctx context.Context) error
}

// MetricLister knows which metrics have samples.
type MetricLister interface {
	// Metrics lists the metrics that have segments which overlap the span, of those that
	// are named, in the order of their names; nil names mean every metric.
	Metrics(ctx context.Context, names []string, span sequence.Span) ([]series.Metric, error)
}
