package round

// The machine, and one round that it computes.
// Before: nothing else uses the reader.
// After: the round's work is counted.

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"laminar/flownode/allowance"
	"laminar/flownode/flowplan"
	"laminar/flownode/late"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
)

// Machine computes rounds. It has no clock of its own, commits nothing, and starts
// no goroutine that it does not wait for. The node, the Stepper and the tests drive
// the same machine, so a simulation tests the code that runs.
//
// It holds settings only and may be used by several goroutines at once. A flow
// belongs to one of them.
type Machine struct {
	Eval          *promeval.Engine
	MaxStateBytes int64                // pane state of one leaf at most
	Allowance     *allowance.Allowance // pane state of all leaves of the process; nil for no bound
	Now           func() time.Time     // budgets go by it; windows go by the database's clock
	Log           *slog.Logger
	LateBounds    late.Bounds // of flows that leave late samples out
}

// Limits bounds a round. Without bounds a backlog would make one round last for
// hours, in which its snapshot holds back vacuum and nothing is committed.
type Limits struct {
	Deadline time.Time // after it, work that can wait is left to the next round
	Flows    int64     // of the process: they share the memory for late samples
}

// round is one round under way: everything in it is read in one snapshot, at one
// position, so flows of a fence group agree with each other.
type round struct {
	*Machine
	*read.Reader
	*Counts
	limits  Limits
	turns   *flowplan.Turns     // for corrections, among the flows of the round
	raw     sequence.Vector     // the round's, without the region of results
	flows   []*flowRound        // that are computed together
	byKey   map[string][]sharer // see sharers
	cascade *Cascade
	results *results.Source // nil where only raw samples are read
	tier    []*flowRound    // the flows that are computed together
}

// overBudget reports whether work that can wait should go on in the next round: a
// snapshot lives a few seconds at most. Each kind of work asks before every piece
// but the first, so that each makes progress in every round, however slow the
// database is.
func (r *round) overBudget() bool { return !r.Now().Before(r.limits.Deadline) }

// committed tells when samples of flushes in the ranges were committed at the latest, by the
// database's clock. A flush that is not known any more was committed more than an hour ago.
func (r *round) committed(ctx context.Context, ranges map[sequence.Region]sequence.Range) (of func(flowplan.Newest) sequence.Time, err error) {
	times, err := r.cascade.Commits.Committed(ctx, ranges)
	if err != nil {
		return nil, fmt.Errorf("read when samples were committed: %w", err)
	}
	return func(n flowplan.Newest) sequence.Time {
		if at, known := times[n.Region][n.Seq]; known {
			return at
		}
		return r.Pos.Now - flowplan.QuietAfter
	}, nil
}
