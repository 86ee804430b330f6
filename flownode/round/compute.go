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
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
)

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
//	follow      after all flows of the group have begun that do so by their samples
//	state       after begin, because it is built from the earliest open window on;
//	            for all flows together, so that they share one reading
//	windows     last, from state and raw samples at one vector
//
// Flows that read no other go through these steps first, all together, then those
// that read them, and so on (Cascade). Results come in that order; rounds of flows
// that read each other have one Chain and are to be stored together or not at all.
// Flows that are held up have no result.
func (m *Machine) Compute(ctx context.Context, reader *read.Reader, cascade *Cascade, limits Limits, flows []*Flow, jobs map[progress.FlowID]*progress.Job) ([]Result, Counts, error) {
	counts := newCounts()
	r := &round{Machine: m, Reader: reader, Counts: &counts, limits: limits, cascade: cascade}
	waiting := 0
	for _, f := range flows {
		f.now = reader.Pos.Now
		if f.DirtyWindows.AnyReady(f.now) {
			waiting++
		}
	}
	r.turns = flowplan.NewTurns(waiting, limits.Deadline)
	var out []Result
	for _, tier := range cascade.begin(flows) {
		on := r
		if overResults(tier) {
			over := *r
			over.Reader = read.Over(r.Reader, func(raw read.Source) read.Source {
				over.results = cascade.source(raw, tier)
				return over.results
			})
			on = &over
		}
		computed, err := on.compute(ctx, tier, jobs)
		if on != r {
			r.Samples += on.Samples
		}
		if err != nil {
			return nil, counts, err
		}
		out = append(out, computed...)
	}
	together(out)
	return out, counts, nil
}

// compute computes the flows of one tier.
func (r *round) compute(ctx context.Context, flows []*Flow, jobs map[progress.FlowID]*progress.Job) ([]Result, error) {
	r.raw = results.Without(r.Pos.Vector)
	if err := r.lapse(ctx, flows); err != nil {
		return nil, err
	}
	cohorts, err := r.history(ctx, flows)
	if err != nil {
		return nil, err
	}
	var runs []*flowRound // of all cohorts
	for _, c := range cohorts {
		runs = append(runs, c.flows...)
	}
	if err := r.members(ctx, runs); err != nil {
		return nil, err
	}
	if err := r.recentResults(ctx, runs); err != nil {
		return nil, err
	}
	if err := r.histograms(ctx, runs); err != nil {
		return nil, err
	}
	for _, c := range cohorts {
		if err := c.read(ctx, r); err != nil {
			return nil, err
		}
		if err := c.seeNewest(ctx, r); err != nil {
			return nil, err
		}
		if err := c.seeSources(ctx, r); err != nil {
			return nil, err
		}
	}
	for _, s := range runs {
		if err := s.begin(ctx); err != nil {
			return nil, s.blame(err)
		}
	}
	r.follow(runs)
	for _, s := range runs {
		s.opened(&s.to, s.started)
	}
	if err := r.buildStates(ctx, runs); err != nil {
		return nil, err
	}
	out := make([]Result, 0, len(runs))
	for _, s := range runs {
		res, err := s.compute(ctx, jobs[s.ID])
		if err != nil {
			return nil, s.blame(err)
		}
		if s.feed != nil {
			if err := s.feed.Finish(ctx, r.cascade.Tables, s.to.EmittedUntil); err != nil {
				return nil, s.blame(err)
			}
		}
		out = append(out, res)
	}
	return out, nil
}

// history divides the flows into cohorts by where they stand, and asks for each
// vector whether it is still part of the history. If it is not, its flows start
// from nothing: every stored sample is their delta.
//
// One question per cohort is enough, because its flows have the same vector and
// the same flushes. After it, for every cohort:
//
//	0 <= after[r] <= Pos.Vector[r]   for each region r
//	changed                          exactly where after was set to zero here
func (r *round) history(ctx context.Context, flows []*Flow) ([]*cohort, error) {
	var out []*cohort
	rounds := make([]flowRound, len(flows)) // at once: a fence group can have thousands
	for i, f := range flows {
		var c *cohort
		if at := slices.IndexFunc(out, func(c *cohort) bool { return c.holds(f) }); at >= 0 {
			c = out[at]
		} else {
			c = &cohort{after: f.at(f.Vector)}
			err := r.CheckHistory(ctx, f.Vector, f.Flushes)
			if errors.Is(err, sequence.ErrHistoryChanged) {
				r.Log.Warn("committed sequences have disappeared or changed: computing again from all raw samples",
					"group", f.Def.Group, "vector", f.Vector.String(), "reason", string(progress.HistoryChanged))
				c.after, c.changed = f.at(sequence.Vector{}), true
			} else if err != nil {
				return nil, fmt.Errorf("check that %s is still in the history: %w", f.Vector, err)
			}
			out = append(out, c)
		}
		if c.changed {
			f.forgetHistory()
			r.Refills[progress.HistoryChanged]++
		}
		c.flows = append(c.flows, r.newFlowRound(&rounds[i], f, c.changed))
	}
	return out, nil
}

// compute works out what the round changes for the flow. A flow that has not
// started, because no sample of it was ever seen, has no windows; a refill job of
// it is still worked on, since a job ends even if it finds nothing.
func (s *flowRound) compute(ctx context.Context, job *progress.Job) (Result, error) {
	if s.Def.Session != nil {
		return computeSessions(ctx, s, job)
	}
	if s.started {
		if err := s.touch(ctx); err != nil {
			return Result{}, err
		}
		// The watermark stands still once samples that all windows need are given up:
		// the flow says so and keeps what is stored.
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
		if step, err = s.refill(ctx, job, s.refillChunk, 0); err != nil {
			return Result{}, err
		}
	}
	s.more = s.more || s.started && s.readsItself() && s.DirtyWindows.AnyAtOnce()
	return s.result(step), nil
}

// FlowError says which flow of a round could not be computed.
type FlowError struct {
	Flow progress.FlowID
	Name string
	Err  error
}

func (e *FlowError) Error() string { return fmt.Sprintf("flow %s: %v", e.Name, e.Err) }

// Unwrap returns what is wrong with it.
func (e *FlowError) Unwrap() error { return e.Err }

// blame is an error of the flow's own part of a round.
func (s *flowRound) blame(err error) error {
	return &FlowError{Flow: s.ID, Name: s.Def.Title(), Err: err}
}
