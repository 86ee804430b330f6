package flownode

// What a node needs of its surroundings. sqlstore implements all of it; a store in
// memory does for the tests.
//
// Methods may be called by several goroutines at once, but for those of an Elector.
// Errors that a caller can act on are the sentinels of package sequence, above all
// ErrUnavailable (try again), ErrSnapshotGone (the round failed), ErrFenced and
// ErrCommitUnknown (load the flows again). Any other error is logged and treated as
// a failed round.

import (
	"context"

	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Snapshotter takes snapshots of the raw data.
type Snapshotter interface {
	// Snapshot begins a REPEATABLE READ transaction and protects the segment
	// tables it may read from being dropped.
	Snapshot(ctx context.Context) (read.Snapshot, error)

	// CurrentVector is where the regions stand: cheap enough to ask every
	// second.
	CurrentVector(ctx context.Context) (sequence.Vector, error)
}

// Catalog is where flows are defined.
type Catalog interface {
	// Heads lists all flows, cheaply, to see what came, went or changed.
	Heads(ctx context.Context) ([]progress.Head, error)

	// Take makes the caller the flow's owner by raising its epoch, creates the
	// result table if it is not there, and loads definition, progress and
	// dirty list.
	Take(ctx context.Context, id progress.FlowID) (progress.Flow, error)

	// Stand notes of flows that they stand still, and of others that they move
	// again.
	Stand(ctx context.Context, still []progress.Stall, moving []progress.FlowID) error
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

// Elector makes one flownode of many the active one. One goroutine uses it.
type Elector interface {
	// Beat says that this flownode is alive. It is called about every second, and
	// returns the term in which this flownode leads, 0 while another one does. Terms
	// differ. On an error nothing is known of either.
	//
	// No other flownode leads before 10 s after a Beat that has returned the term
	// began, by the database's clock, unless the connection broke (Lost).
	Beat(ctx context.Context) (term int64, err error)

	// Lost holds a token when another flownode may come to lead soon, unless Beat is
	// called at once: the connection in which leadership was last renewed broke.
	Lost() <-chan struct{}

	// Leave gives up leadership: this flownode ends.
	Leave(ctx context.Context)
}
