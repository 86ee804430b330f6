package round

// Windows that close, and the earliest open one.
// Before: the watermark is known.
// After: every window that it has passed is computed, or the budget is used up
// and more says so; pane state is there for the earliest open window where that
// is possible.
//
// Emitted-until is the end of a window, and moves only over windows whose results
// are in this round's output, or of which nothing is to be stored. So a crash in
// between repeats windows and skips none (I4).

import (
	"context"
	"errors"

	"laminar/flownode/evaluate"
	"laminar/flownode/flowdef"
	"laminar/flownode/read"
	"laminar/sequence"
)

// emit computes the windows in (emitted-until, watermark], oldest first, as far as
// the round's budget reaches, but one at least: rounds that are long for other
// reasons must not hold results up without end.
//
// All windows are emitted, touched by the delta or not: a series still reaches
// windows after its last sample. Stretches in which no leaf holds a sample are
// skipped (candidates), so a gap of a year costs one look; flows that have results
// from nothing compute each window of it (skipGap).
func (s *flowRound) emit(ctx context.Context) error {
	closed := s.to.ClosedUntil(s.windows())
	skipGap(s, closed)
	if closed <= s.to.EmittedUntil {
		return s.ensureState(ctx)
	}
	if s.behind(s.to.Watermark) <= maxCatchUp {
		if err := s.ensureState(ctx); err != nil {
			return err
		}
	}
	ahead := int64(16) // how many windows a flow looks through that computes one at a time
	for begun := false; s.to.EmittedUntil < closed; begun = true {
		limit := s.chunk(s.r.Allowance.Most())
		if s.full() {
			if s.more = begun; s.more {
				return nil
			}
			limit = 1 // the one window that every round may compute
		}
		s.showUntil(s.to.EmittedUntil)
		within := sequence.Span{After: s.to.EmittedUntil, UpTo: closed}
		if s.readsItself() {
			within.UpTo = min(closed, within.After+ahead*s.windows().Every)
		}
		ends, err := s.candidates(ctx, s.r, s.to.BeginsAfter, within, limit)
		if err != nil {
			return err
		}
		ends = s.near(ends)
		if len(ends) == 0 {
			// Nothing is stored in what is left: all of it closes at once.
			s.to.EmittedUntil = within.UpTo
			ahead *= 8
			continue
		}
		ahead = 16
		s.showUntil(ends[0] - s.windows().Every)
		if err := s.r.knowFor(ctx, s.Flow, ends); err != nil {
			return err
		}
		src, n, err := readFor(ctx, s, ends, evaluate.Wanted{All: true}, false)
		if err != nil {
			return err
		}
		ends = ends[:n]
		for i, end := range ends {
			if i > 0 && !s.inStep && src.Whole() && s.r.overBudget() {
				ends, s.more = ends[:i], true // each window costs the whole expression
				break
			}
			if !s.rebuildable(end, s.r.Pos.Earliest) || s.expired(end) {
				continue // it closes without being computed; what is stored stays (I6)
			}
			res, err := s.window(ctx, src, end, evaluate.Wanted{All: true})
			if err != nil {
				return err
			}
			// An untouched window has no rows. If it was open, provisional ones may be
			// stored that must go.
			if res.Touched || s.open.Is(end) {
				w := s.Changes(&s.open, res)
				s.out.put(w)
				s.tell(w, res.Rows, true)
			}
		}
		s.to.EmittedUntil = ends[len(ends)-1]
		s.r.Windows[Closed] += len(ends)
		if s.more {
			return nil
		}
	}
	return s.ensureState(ctx)
}

// readFor is Evaluator.Sources for the first n of the windows: as many as the memory that flows
// may take is enough for. What batch leaves read is known only when it has been read.
func readFor(ctx context.Context, s *flowRound, ends []sequence.Time, want evaluate.Wanted, fresh bool) (src evaluate.Inputs, n int, err error) {
	for n = len(ends); ; n /= 2 {
		src, err = s.Sources(ctx, s.r.Reader, ends[:n], want, fresh)
		var much *read.TooMuchError
		if n == 1 || !errors.As(err, &much) {
			return src, n, err
		}
	}
}

// window evaluates one window. An expression that cannot be evaluated there leaves
// it without a result, as in Prometheus, and is stored as the flow's error; the
// flow goes on. Any other error ends the round.
func (s *flowRound) window(ctx context.Context, src evaluate.Inputs, end int64, want evaluate.Wanted) (evaluate.Result, error) {
	s.tried = true
	res, err := s.Evaluate(ctx, s.r.Eval, src, end, want)
	var evalErr *evaluate.EvalError
	if errors.As(err, &evalErr) {
		s.evalErr = err
		s.r.EvalErrors++
		return evaluate.Result{End: end, Touched: true, Failed: err.Error()}, nil
	}
	return res, err
}

// provisional computes the earliest open window, if its definition wants that and
// something has changed. It waits until no closed window is left to emit: a final
// result is worth more than a provisional one. A window that has lost raw samples
// stays as it is stored, since no later round could put it right.
//
// With pane state it costs a few merges and is computed every time. Without, it
// would be read from raw samples in every round, so a reading that took d is
// followed by a pause of 4d. The postponed window is remembered: Deadline brings
// it back even if no further sample comes.
func (s *flowRound) provisional(ctx context.Context) error {
	end := s.windows().Next(s.to.EmittedUntil)
	if len(s.reads) > 0 {
		return nil // what it reads is closed windows only
	}
	if s.more || s.Def.Emit != flowdef.EmitUpdate || end <= s.to.ClosedUntil(s.windows()) {
		return nil
	}
	if !s.rebuildable(end, s.r.Pos.Earliest) {
		return nil // what is stored stays (I6)
	}
	// Only samples change it, and time, which makes another window the earliest.
	changed := s.postponed || !s.open.Is(end)
	costly := false
	for _, l := range s.deltas {
		changed = changed || l.Plan.Samples > 0
		costly = costly || l.State == nil && len(l.Members.Series) > 0
	}
	if !changed {
		return nil
	}
	if s.postponed = costly && s.r.Now().Before(s.notBefore); s.postponed {
		return nil
	}
	began := s.r.Now()
	src, err := s.Sources(ctx, s.r.Reader, []int64{end}, evaluate.Wanted{All: true}, false)
	if err != nil {
		return err
	}
	if costly {
		// A window that is read from raw every time gets a fifth of the time.
		defer func() {
			now := s.r.Now()
			s.notBefore = now.Add(4 * now.Sub(began))
		}()
	}
	if !s.open.Is(end) {
		s.open = evaluate.OpenAt(end)
	}
	res, err := s.window(ctx, src, end, evaluate.Wanted{All: true})
	if err != nil {
		return err
	}
	if res.Touched || s.open.Written() {
		s.out.put(s.Changes(&s.open, res))
		s.r.Windows[Provisional]++
	}
	return nil
}
