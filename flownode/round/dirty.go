package round

// Closed windows that have changed: onto the dirty list, and off it again.
// Before: each leaf knows which closed windows the delta reaches.
// After: every closed window that the delta touches is computed again, or on the
// dirty list that is stored with the vector (progress.P3).
//
// From a touched pane to windows: a pane with the end e and the width w holds the
// times e-w < t <= e. The windows that some of them reach are those from the first
// that e-w+1 reaches to the last that e reaches. Touches of a batch leaf are by
// step and not by pane, with the same arithmetic (keep.Leaf.TouchSpan).

import (
	"context"
	"maps"
	"math"
	"time"

	"laminar/flownode/advance"
	"laminar/flownode/evaluate"
	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// touch puts the closed windows that the delta reaches on the dirty list, with the
// groups that changed where results depend on one group each. The list is stored
// with the vector: so no change is lost between a round that notes it and the one
// that recomputes the window.
func (s *flowRound) touch(ctx context.Context) error {
	emitted := s.to.EmittedUntil
	if s.changed {
		// Samples that are gone leave no trace of the groups they were in.
		if err := s.touchAll(ctx, progress.HistoryChanged); err != nil {
			return err
		}
	}
	if s.outOfStep {
		// What its sources have changed since it was stored is not known any more.
		if err := s.touchAll(ctx, progress.Upstream); err != nil {
			return err
		}
	}
	for _, l := range s.deltas {
		if l.Def.Pinned {
			if err := s.touchPinned(ctx, l); err != nil {
				return err
			}
			continue
		}
		for _, set := range []struct {
			*keep.Touches
			reason progress.Reason
		}{{&l.Late, progress.LateOrdered}, {&l.Unordered, progress.Unordered}, {&l.Upstream, progress.Upstream}} {
			for end, bits := range set.ByPane {
				first, last := l.Windows.Of(l.TouchSpan(end))
				// Windows that are still open get the samples when they close.
				for w := range l.Windows.Ends(first, min(last, emitted)) {
					s.touchGroups(l, w, bits, set.reason)
					if set.reason == progress.Upstream {
						s.DirtyWindows.Hurry(w)
					}
				}
			}
		}
		// Of sealed samples only the stretch of time is known, so all groups of every
		// window in it are dirty.
		for _, span := range l.Plan.Spans {
			first, last := l.Windows.Of(span.Span)
			if s.notes != nil {
				s.notes.Unknown(first, last)
				continue
			}
			for w := range l.Windows.Ends(first, min(last, emitted)) {
				s.DirtyWindows.Touch(w, progress.AllGroups, span.Reason, s.Vector, s.r.Pos.Now)
			}
		}
	}
	judgeLate(s)
	return nil
}

// touchPinned makes every closed window dirty, if the delta holds something that
// a pinned leaf reads. How many these are is bounded where the flow is applied
// (flowdef.CheckRaw).
func (s *flowRound) touchPinned(ctx context.Context, l *advance.Leaf) error {
	reason := progress.Reason("")
	switch {
	case !l.Upstream.Empty():
		reason = progress.Upstream
	case !l.Unordered.Empty():
		reason = progress.Unordered
	case !l.Late.Empty():
		reason = progress.LateOrdered
	}
	for _, span := range l.Plan.Spans {
		if l.Pins(span.UpTo) {
			reason = span.Reason
		}
	}
	if reason == "" || pinnedIsGone(s.Flow, s.r.Pos.Earliest) {
		return nil
	}
	if err := s.touchAll(ctx, reason); err != nil || reason != progress.Upstream {
		return err
	}
	for _, w := range s.DirtyWindows.All() {
		s.DirtyWindows.Hurry(w.End)
	}
	return nil
}

// touchAll makes every closed window dirty that can be computed and in which some
// leaf may hold a sample, with all its groups. Windows that cannot be rebuilt any
// more are left as they are stored (I6); without retention (Earliest 0) that is
// none, and the search begins before the first possible window end, 0.
func (s *flowRound) touchAll(ctx context.Context, reason progress.Reason) error {
	after := max(0, s.Def.FirstRebuildable(s.r.Pos.Earliest)) - s.windows().Every
	if s.r.Pos.Earliest == 0 || len(s.reads) > 0 {
		after = -1
	}
	ends, err := s.candidates(ctx, s.r, s.to.BeginsAfter, sequence.Span{After: after, UpTo: s.to.EmittedUntil}, math.MaxInt)
	if err != nil {
		return err
	}
	for _, end := range ends {
		s.DirtyWindows.Touch(end, progress.AllGroups, reason, s.Vector, s.r.Pos.Now)
	}
	return nil
}

// touchGroups makes a window dirty for the groups in bits, by their numbers in the
// leaf. The list holds their keys instead: it is stored, and numbers are given anew
// when members are read again. Where a result can depend on several groups, the
// whole window is dirty.
func (s *flowRound) touchGroups(l *advance.Leaf, end sequence.Time, bits []uint64, reason progress.Reason) {
	if !s.Def.Expr.ByGroup {
		s.DirtyWindows.Touch(end, progress.AllGroups, reason, s.Vector, s.r.Pos.Now)
		return
	}
	keep.EachBit(bits, func(g int32) {
		s.DirtyWindows.Touch(end, l.Members.Groups[g].Key, reason, s.Vector, s.r.Pos.Now)
	})
}

// dirtyPerRound bounds how many dirty windows are looked at in a round: a storm of
// late samples must not hold up the windows that close.
const dirtyPerRound = 512

// recompute computes dirty windows that have been quiet for long enough, as far as the
// flow's part of the round's budget reaches (flowplan.Turns), but one batch at least.
// Before them come those that must not wait, all of them: results that they read change
// in this round, which bounds how many they are.
//
// Oldest first: what readers look at is usually newer, but the oldest window is the first
// whose raw samples may be given up. A correction of a flow that reads itself may walk on
// for hours, though. So half of that flow's time is for its newest corrections, which
// walk on as well: all of them together take twice as long at most.
func (s *flowRound) recompute(ctx context.Context) error {
	if _, err := s.corrections(ctx, s.DirtyWindows.Hurried(), sequence.NoTime, time.Time{}); err != nil {
		return err
	}
	now := s.r.Pos.Now
	if !s.DirtyWindows.AnyReady(now) {
		return nil
	}
	began := s.r.Now()
	until, newest := s.r.turns.Take(began), false
	if s.readsItself() {
		queue := s.DirtyWindows.Newest(now, s.gap(), dirtyPerRound)
		var err error
		if newest, err = s.corrections(ctx, queue, lastOf(queue), flowplan.Part(began, until, 2)); err != nil {
			return err
		}
	}
	queue := s.DirtyWindows.Ready(now, dirtyPerRound)
	oldest, err := s.corrections(ctx, queue, lastOf(queue), until)
	// The rest need not wait for the trigger.
	s.more = s.more || newest || oldest || len(queue) == dirtyPerRound
	return err
}

// lastOf is the end up to which more windows may join the queue: none lie behind it
// that were left out.
func lastOf(queue []*flowplan.DirtyWindow) sequence.Time {
	if len(queue) < dirtyPerRound {
		return sequence.EndOfTime
	}
	return queue[len(queue)-1].End
}

// corrections computes the windows of the queue, which ascend, and those up to an end that
// these make dirty: as far as the time until reaches, but one batch at least, or all of
// them where that is zero. left says that some are left. A window that cannot be rebuilt
// any more leaves the list without being computed (I6), and so does one whose results are
// not kept.
func (s *flowRound) corrections(ctx context.Context, queue []*flowplan.DirtyWindow, upTo sequence.Time, until time.Time) (left bool, err error) {
	past := func() bool { return !until.IsZero() && !s.r.Now().Before(until) }
	for begun := false; len(queue) > 0; begun = true {
		most := len(queue)
		// A correction that walks on may wait even where the flow keeps in step.
		if !until.IsZero() && (s.more || s.full() || past() && (s.readsItself() || !s.inStep)) {
			if begun {
				return true, nil
			}
			most = 1
		}
		batch, want := dirtyBatch(s, queue[:most])
		ends := make([]int64, len(batch))
		want.ByEnd = make(map[int64]map[string]struct{}, len(batch))
		for i, d := range batch {
			ends[i], want.ByEnd[d.End] = d.End, d.Groups
		}
		s.showUntil(ends[0] - s.windows().Every)
		if err := s.r.knowFor(ctx, s.Flow, ends); err != nil {
			return false, err
		}
		src, n, err := readFor(ctx, s, ends, want, false)
		if err != nil {
			return false, err
		}
		batch, queue = batch[:n], queue[n:]
		for i, d := range batch {
			if i > 0 && src.Whole() && past() {
				batch, left = batch[:i], true
				break
			}
			if s.rebuildable(d.End, s.r.Pos.Earliest) && !s.expired(d.End) {
				// The sources hold the groups of the whole batch; each window is written
				// for its own.
				own := evaluate.Wanted{All: want.All, Keys: d.Groups}
				res, err := s.window(ctx, src, d.End, own)
				if err != nil {
					return false, err
				}
				w := s.Complete(res)
				if !own.All {
					w = s.Some(res, own)
				}
				if err := s.correct(ctx, w, res.Rows, own.All, d.Since); err != nil {
					return false, err
				}
				lateWhole(s, d.End, own.All, own.Keys)
				s.r.Refills[d.Reason]++
			} else {
				s.r.Kept++
			}
			s.out.forget(d)
			s.DirtyWindows.Remove(d.End)
		}
		s.r.Windows[Recomputed] += len(batch)
		if left {
			return true, nil
		}
		queue = s.onward.among(queue, upTo)
	}
	return false, nil
}

// dirtyBatch takes from the front of ready the windows that are best computed from
// one reading, of the groups that any of them wants: near each other, because what
// lies between is read too, and all whole or all by group, because a reading of
// some groups cannot serve a whole window.
func dirtyBatch(s *flowRound, ready []*flowplan.DirtyWindow) ([]*flowplan.DirtyWindow, evaluate.Wanted) {
	want := evaluate.Wanted{All: ready[0].All || !s.Def.Expr.ByGroup, Keys: map[string]struct{}{}}
	n := 0
	for n < len(ready) && n < s.chunk(s.r.Allowance.Most()) {
		d := ready[n]
		if (d.All || !s.Def.Expr.ByGroup) != want.All || n > 0 && d.End-ready[n-1].End > s.gap() {
			break
		}
		maps.Copy(want.Keys, d.Groups)
		n++
	}
	return ready[:n], want
}
