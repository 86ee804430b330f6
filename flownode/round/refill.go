package round

// A requested refill, chunk by chunk inside the flow's rounds.
// Before: the flow's own windows of this round are computed.
// After: the job has moved on, done or not, by as many windows as are written in
// the same transaction.

import (
	"context"
	"slices"

	"laminar/flownode/evaluate"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// refillWindows is the least number of windows that a refill job computes from one
// reading of raw samples, within Flow.bounded. It does not apply to batch flows,
// where each window costs the whole expression and reading is the smaller part.
const refillWindows = 128

// refill moves a job of the flow forward, inside the flow's round and at its
// vector: one owner writes results, so a refill can neither overwrite newer
// values nor merge anything twice. Windows are computed from raw samples alone
// and written whole.
//
// NextT is the job's position, ms: every window with an end <= NextT is refilled.
// It only grows, and it is stored with the windows it speaks of, so a job that is
// taken up again by another owner neither skips nor has to repeat a chunk. chunk computes
// the windows with ends from first to last, and says how many there were; it is given so
// many at a time, with 0 as many as bounded says.
//
// Where retention has overtaken the job, or results that windows read are not kept any more,
// it goes on with the first window that can be computed. It says what it has left out, and
// ends as one that has failed.
func (s *flowRound) refill(ctx context.Context, job *progress.Job, chunk func(ctx context.Context, first, last sequence.Time) (int64, error), most int64) (*progress.JobStep, error) {
	step := &progress.JobStep{ID: job.ID, NextT: job.NextT, Left: job.Error}
	limit := s.to.EmittedUntil
	// Before samples are there that all windows read, none can be computed.
	if limit == sequence.NoTime && s.r.Pos.Now >= s.Def.ClosesFrom() {
		limit = s.r.Pos.Now - s.Def.CloseDelay()
	}
	if s.to.EmittedUntil == sequence.NoTime && limit != sequence.NoTime && s.readsItself() {
		s.feed.Begin(limit) // what the job has given so far is seen
	}
	// Windows that are not closed yet come with the ordinary emission.
	windows := s.windows()
	limit = windows.Last(min(limit, job.To))
	for {
		first := windows.Next(step.NextT)
		if first > limit {
			step.NextT, step.Done = job.To, true
			break
		}
		if !s.rebuildable(first, s.r.Pos.Earliest) {
			// Retention has overtaken the job. What is stored stays (I6).
			next := windows.From(s.firstRebuildable(s.r.Pos.Earliest))
			if next <= first || !s.rebuildable(next, s.r.Pos.Earliest) {
				step.Error = s.unrebuildable(first, s.r.Pos.Earliest).Error()
				break
			}
			left := progress.LeftError{UpTo: min(limit, windows.Last(next-1)), Earliest: s.r.Pos.Earliest, Results: s.lacksResults(first)}
			step.NextT, step.Left = left.UpTo, left.Error()
			continue
		}
		if s.full() && step.NextT > job.NextT {
			s.more = true
			break
		}
		n := int64(s.chunk(s.r.Allowance.Most()))
		if !s.Def.Expr.Batch {
			n = int64(s.bounded(max(refillWindows, n), s.r.Allowance.Most()))
		}
		if most > 0 {
			n = most
		}
		// A chunk is one reading and one write; after each the job may stop, and a
		// crash loses one chunk at most.
		last := min(limit, first+(n-1)*windows.Every)
		done, err := chunk(ctx, first, last)
		if err != nil {
			return nil, err
		}
		step.WindowsDone += done
		step.NextT = last
	}
	s.r.Refills[progress.Requested]++
	return step, nil
}

// refillChunk computes the windows with ends from first to last from raw.
// Windows without samples are written too, as empty: what may be stored for
// them must go. Pane state that the chunk overlaps is dropped, so that a refill
// replaces it as well.
func (s *flowRound) refillChunk(ctx context.Context, first, last sequence.Time) (int64, error) {
	all := evaluate.Wanted{All: true}
	ends := slices.Collect(s.windows().Ends(first, last))
	s.showUntil(first - s.windows().Every)
	if err := s.r.knowFor(ctx, s.Flow, ends); err != nil {
		return 0, err
	}
	for rest := ends; len(rest) > 0; {
		src, n, err := readFor(ctx, s, rest, all, true)
		if err != nil {
			return 0, err
		}
		for _, end := range rest[:n] {
			res, err := s.window(ctx, src, end, all)
			if err != nil {
				return 0, err
			}
			if err := s.correct(ctx, s.Complete(res), res.Rows, true, s.Vector); err != nil {
				return 0, err
			}
			lateWhole(s, end, true, nil)
		}
		rest = rest[n:]
	}
	for _, l := range s.Leaves {
		if l.State != nil && l.Span(last).UpTo > l.From() {
			s.r.dropState(l)
		}
	}
	s.r.Windows[Refilled] += len(ends)
	return int64(len(ends)), nil
}
