package round

// One round of a fence group's flows.
// Before: nothing else writes the flows' results, and a snapshot is open.
// After: what each flow makes of everything up to the snapshot's vector is in its
// Result. The flows' caches are ahead of what is stored until the results are
// committed; if they are not, the flows must be loaded again (I7).

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Machine computes rounds. It has no clock, commits nothing, and starts no
// goroutine but for work that it waits for. The node, the Stepper and the tests
// drive the same one.
type Machine struct {
	Eval          *promeval.Engine
	MaxStateBytes int64            // pane state of one leaf at most
	Now           func() time.Time // budgets go by it; windows go by the database's clock
	Log           *slog.Logger
}

// Limits bounds a round.
type Limits struct {
	Deadline time.Time // from when on work that can wait goes on in the next round
	Flows    int64     // of the process: they share the memory for late samples
}

// round is one round: everything in it is read in one snapshot, at one position,
// so flows of a group agree with each other.
type round struct {
	*Machine
	*read.Reader
	Counts
	limits Limits
}

// overBudget reports whether work that can wait should go on in the next
// round: a snapshot lives a few seconds at most.
func (r *round) overBudget() bool { return !r.Now().Before(r.limits.Deadline) }

// Compute brings flows of one fence group to the reader's position. jobs is the
// oldest unfinished refill job of the flows that have one.
//
// The steps must come in this order:
//
//	history     first, because what is known of a flow whose past has changed, its
//	            members included, must not be used by any later step
//	members     before samples are read, because a sample of a series that is not
//	            a member yet would be left out and never be looked at again
//	histograms  after members, which tell the metrics of a flow, and before
//	            samples are read, because a histogram's sum must not be folded
//	delta       before anything is computed: it brings pane state to the round's
//	            vector and finds which closed windows it reaches
//	begin       after the delta, in which a new flow finds its first window
//	state       after begin, because it is built from the earliest open window on;
//	            for all flows together, so that they share one reading
//	windows     last, from state and raw samples at one vector
func (m *Machine) Compute(ctx context.Context, reader *read.Reader, limits Limits, flows []*Flow, jobs map[progress.FlowID]*progress.Job) ([]Result, Counts, error) {
	r := &round{Machine: m, Reader: reader, Counts: newCounts(), limits: limits}
	out, err := r.compute(ctx, flows, jobs)
	return out, r.Counts, err
}

func (r *round) compute(ctx context.Context, flows []*Flow, jobs map[progress.FlowID]*progress.Job) ([]Result, error) {
	cohorts, err := r.history(ctx, flows)
	if err != nil {
		return nil, err
	}
	var runs []*flowRound
	for _, c := range cohorts {
		runs = append(runs, c.flows...)
	}
	if err := r.members(ctx, runs); err != nil {
		return nil, err
	}
	if err := r.histograms(ctx, runs); err != nil {
		return nil, err
	}
	for _, c := range cohorts {
		if err := c.read(ctx, r); err != nil {
			return nil, err
		}
	}
	for _, s := range runs {
		if err := s.begin(ctx); err != nil {
			return nil, fmt.Errorf("flow %s: %w", s.Def.Name, err)
		}
	}
	if err := r.buildStates(ctx, runs); err != nil {
		return nil, err
	}
	out := make([]Result, 0, len(runs))
	for _, s := range runs {
		res, err := s.compute(ctx, jobs[s.ID])
		if err != nil {
			return nil, fmt.Errorf("flow %s: %w", s.Def.Name, err)
		}
		out = append(out, res)
	}
	return out, nil
}

// history sorts the flows by where they stand, for each vector looks whether it
// is still in the history, and makes flows of which it is not start from nothing:
// everything stored is their delta.
func (r *round) history(ctx context.Context, flows []*Flow) ([]*cohort, error) {
	var out []*cohort
	for _, f := range flows {
		var c *cohort
		if i := slices.IndexFunc(out, func(c *cohort) bool { return c.holds(f) }); i >= 0 {
			c = out[i]
		} else {
			c = &cohort{after: f.Vector}
			err := r.CheckHistory(ctx, f.Vector, f.Flushes)
			if errors.Is(err, sequence.ErrHistoryChanged) {
				r.Log.Warn("committed sequences have disappeared or changed: computing again from all raw samples",
					"group", f.Def.Group, "vector", f.Vector.String(), "reason", string(progress.HistoryChanged))
				c.after, c.changed = sequence.Vector{}, true
			} else if err != nil {
				return nil, fmt.Errorf("check that %s is still in the history: %w", f.Vector, err)
			}
			out = append(out, c)
		}
		if c.changed {
			f.forgetHistory()
			r.Refills[progress.HistoryChanged]++
		}
		c.flows = append(c.flows, r.newFlowRound(f, c.changed))
	}
	return out, nil
}

// manySeries is from how many new series on each flow adds them in a goroutine of
// its own.
const manySeries = 10_000

// members adds the series created since each flow last looked. They are evaluated
// here, once per series, and never per sample.
func (r *round) members(ctx context.Context, flows []*flowRound) error {
	type since struct {
		after  sequence.Vector
		flows  []*Flow
		leaves keep.Leaves
	}
	byVector := map[string]*since{}
	for _, f := range flows {
		if f.MembersAt != nil && f.MembersAt.Covers(r.Pos.Vector) {
			continue
		}
		key := f.MembersAt.String()
		if byVector[key] == nil {
			byVector[key] = &since{after: f.MembersAt}
		}
		s := byVector[key]
		s.flows, s.leaves = append(s.flows, f.Flow), append(s.leaves, f.Leaves...)
	}
	for _, s := range byVector {
		list, err := r.Series(ctx, s.leaves.MetricNames(), s.after, s.leaves.LabelNames()...)
		if err != nil {
			return err
		}
		var adding sync.WaitGroup
		for _, f := range s.flows {
			f.MembersAt = r.Pos.Vector
			if len(list) < manySeries {
				f.Leaves.AddSeries(list)
				continue
			}
			adding.Go(func() { f.Leaves.AddSeries(list) })
		}
		adding.Wait()
	}
	return nil
}

// compute works out what the round changes for the flow.
func (s *flowRound) compute(ctx context.Context, job *progress.Job) (Result, error) {
	if s.started {
		if err := s.touch(ctx); err != nil {
			return Result{}, err
		}
		if s.to.Watermark = s.watermark(); s.pinnedGone {
			s.evalErr = &progress.PinnedGoneError{Flow: s.Def.Name, Earliest: s.r.Pos.Earliest}
		}
		if err := s.emit(ctx); err != nil {
			return Result{}, err
		}
		if err := s.provisional(ctx); err != nil {
			return Result{}, err
		}
		if err := s.recompute(ctx); err != nil {
			return Result{}, err
		}
		s.trim()
	}
	var step *progress.JobStep
	if job != nil {
		var err error
		if step, err = s.refill(ctx, job); err != nil {
			return Result{}, err
		}
	}
	return s.result(step), nil
}
