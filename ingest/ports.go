package ingest

import (
	"context"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Store is what the ingester needs of the database. Errors wrap the sentinels
// of package sequence. It is used from several goroutines at once.
type Store interface {
	// BeginFlush starts the transaction of one flush, locks the region's row
	// and takes the next sequence (I1). The caller ends it with Commit or
	// Rollback.
	BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (FlushTx, error)

	// Resolve says whether the flush that was to take seq committed. It waits
	// for the region's lock, so a commit still under way is waited for.
	Resolve(ctx context.Context, region sequence.Region, seq sequence.Seq, id sequence.FlushID) (bool, error)

	// Metrics returns the ids of the metrics in the order of their names;
	// missing ones are created, in a transaction of their own.
	Metrics(ctx context.Context, names []string) ([]sequence.MetricID, error)
}

// FlushTx is one flush under way. It is for one goroutine.
type FlushTx interface {
	// Flush is where the flush stands.
	Flush() sequence.Flush

	// Took is the id of the flush that took seq, the zero id when none did.
	Took(ctx context.Context, seq sequence.Seq) (sequence.FlushID, error)

	// Floors is for each metric of the region a time, in milliseconds since the
	// epoch, that no sample of it up to sequence upTo is later than; metrics
	// without a sample are not in it. It is much cheaper than Missed.
	Floors(ctx context.Context, upTo sequence.Seq) (map[sequence.MetricID]int64, error)

	// Missed is what other writers did to the region in (after, upTo].
	Missed(ctx context.Context, after, upTo sequence.Seq) (series.Missed, error)

	// CreateSeries creates the series that are not there and answers in order.
	CreateSeries(ctx context.Context, wanted []series.Wanted) ([]series.Stored, error)

	// Brought notes how many of the series that the flush creates each sender has
	// brought. It is stored with the flush.
	Brought(bySender map[string]int64)

	// Commit writes the segments, numbered as they stand, and commits. It
	// keeps no reference to them. After sequence.ErrCommitUnknown the flush is
	// neither done nor undone (I2); after every other error it is undone.
	Commit(ctx context.Context, segments []segment.Segment) error

	// Rollback ends the flush without a trace. After Commit it does nothing.
	Rollback(ctx context.Context) error
}

// Commit tells what one committed flush brought: the mirror write within the
// process, a hint and never data (I5).
type Commit struct {
	Region     sequence.Region
	Seq        sequence.Seq
	Metrics    []sequence.MetricID
	MinT, MaxT int64 // milliseconds since the epoch, both included
	Samples    int
}
