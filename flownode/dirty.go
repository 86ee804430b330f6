package flownode

import (
	"context"
	"maps"
	"math"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// TouchWidth is the width of what touches are counted by.
func (l *Leaf) TouchWidth() int64 {
	if l.Def.Batch {
		return l.Step
	}
	return l.Def.Pane
}

// touch puts the closed windows that the delta reaches on the dirty list.
func (s *stepping) touch(ctx context.Context) error {
	emitted := s.to.EmittedUntil
	if s.changed {
		// Which groups of a window hold values of samples that are gone nobody can
		// tell any more.
		if err := s.touchAll(ctx, flowplan.HistoryChanged); err != nil {
			return err
		}
	}
	for _, l := range s.leaves {
		if l.Def.Pinned {
			if err := s.touchPinned(ctx, l); err != nil {
				return err
			}
			continue
		}
		for _, set := range []struct {
			*Touches
			reason flowplan.Reason
		}{{&l.late, flowplan.LateOrdered}, {&l.unordered, flowplan.Unordered}} {
			for end, bits := range set.ByPane {
				first, _ := l.WindowsOf(end - l.TouchWidth() + 1)
				_, last := l.WindowsOf(end)
				for w := first; w <= min(last, emitted); w += l.Step {
					s.touchGroups(l, w, bits, set.reason)
				}
			}
		}
		for _, span := range l.plan.Spans {
			first, _ := l.WindowsOf(span.Span.MinT)
			_, last := l.WindowsOf(span.Span.MaxT)
			for w := first; w <= min(last, emitted); w += l.Step {
				s.dirty.Touch(w, progress.AllGroups, span.Reason, s.flow.Vector, s.r.pos.Now)
			}
		}
	}
	return nil
}

// touchPinned makes every closed window dirty, if the delta holds something that
// a pinned leaf reads. How many these are is bounded where the flow is applied
// (flowdef.CheckRaw).
func (s *stepping) touchPinned(ctx context.Context, l *Leaf) error {
	reason := flowplan.Reason("")
	switch {
	case !l.unordered.Empty():
		reason = flowplan.Unordered
	case !l.late.Empty():
		reason = flowplan.LateOrdered
	}
	for _, span := range l.plan.Spans {
		if l.Pins(span.Span.MaxT) {
			reason = span.Reason
		}
	}
	if reason == "" || s.flow.Def.Expr.PinnedGone(s.r.pos.Earliest) {
		return nil
	}
	return s.touchAll(ctx, reason)
}

// touchAll makes every closed window dirty that can be computed and in which
// some leaf may hold a sample, with all its groups.
func (s *stepping) touchAll(ctx context.Context, reason flowplan.Reason) error {
	after := max(0, s.earliestEnd(s.r.pos.Earliest)) - s.every()
	if s.r.pos.Earliest == 0 {
		after = -1
	}
	ends, err := s.candidates(ctx, s.r, after, s.to.EmittedUntil, math.MaxInt)
	if err != nil {
		return err
	}
	for _, end := range ends {
		s.dirty.Touch(end, progress.AllGroups, reason, s.flow.Vector, s.r.pos.Now)
	}
	return nil
}

// Pins reports, of a time up to which samples of a delta reach closed windows,
// whether a pinned leaf reads it; other leaves read it anyway.
func (l *Leaf) Pins(t int64) bool {
	if !l.Def.Pinned {
		return true
	}
	after, _ := l.Span(0)
	return t > after
}

func (s *stepping) touchGroups(l *Leaf, end int64, bits []uint64, reason flowplan.Reason) {
	if !s.flow.Def.Expr.ByGroup {
		s.dirty.Touch(end, progress.AllGroups, reason, s.flow.Vector, s.r.pos.Now)
		return
	}
	EachGroup(bits, func(g int32) {
		s.dirty.Touch(end, l.Members.Groups[g].Key, reason, s.flow.Vector, s.r.pos.Now)
	})
}

// dirtyPerRound bounds how many dirty windows are looked at in a round.
const dirtyPerRound = 512

// recompute computes dirty windows that have been quiet for long enough, as
// far as the round's budget reaches, but one at least.
func (s *stepping) recompute(ctx context.Context) error {
	ready := s.dirty.Ready(s.r.pos.Now, dirtyPerRound)
	full := len(ready) == dirtyPerRound
	for begun := false; len(ready) > 0; begun = true {
		most := len(ready)
		if s.r.overBudget() || s.rows >= maxRoundRows {
			if begun {
				s.more = true
				return nil
			}
			most = 1
		}
		batch, want := s.dirtyBatch(ready[:most])
		ready = ready[len(batch):]
		ends := make([]int64, len(batch))
		want.byEnd = make(map[int64]map[string]struct{}, len(batch))
		for i, d := range batch {
			ends[i], want.byEnd[d.End] = d.End, d.Groups
		}
		src, err := s.sources(ctx, s.r, ends, want, false)
		if err != nil {
			return err
		}
		for i, d := range batch {
			if i > 0 && src.whole != nil && s.r.overBudget() {
				batch, s.more = batch[:i], true
				break
			}
			if s.rebuildable(d.End, s.r.pos.Earliest) && !s.expired(d.End) {
				own := wanted{all: want.all, keys: d.Groups}
				res, err := s.window(ctx, src, d.End, own)
				if err != nil {
					return err
				}
				if own.all {
					s.put(s.complete(res))
				} else {
					s.put(s.some(res, own))
				}
				s.r.node.metrics.refills.WithLabelValues(string(d.Reason)).Inc()
			} else {
				s.r.node.metrics.unrebuildable.Inc()
			}
			s.forget(d)
		}
		s.r.node.metrics.windows.WithLabelValues("recomputed").Add(float64(len(batch)))
		if s.more {
			return nil
		}
	}
	s.more = s.more || full // the rest need not wait for the trigger
	return nil
}

// dirtyBatch takes from the front of ready the windows that are best computed
// from one reading, of the groups that any of them wants: near each other, and
// all whole or all by group.
func (s *stepping) dirtyBatch(ready []*flowplan.DirtyWindow) ([]*flowplan.DirtyWindow, wanted) {
	want := wanted{all: ready[0].All || !s.flow.Def.Expr.ByGroup, keys: map[string]struct{}{}}
	gap := max(s.flow.Def.Expr.MaxReach, 16*s.every())
	n := 0
	for n < len(ready) && n < s.chunk() {
		d := ready[n]
		if (d.All || !s.flow.Def.Expr.ByGroup) != want.all || n > 0 && d.End-ready[n-1].End > gap {
			break
		}
		maps.Copy(want.keys, d.Groups)
		n++
	}
	return ready[:n], want
}

// forget takes a window off the dirty list.
func (s *stepping) forget(d *flowplan.DirtyWindow) {
	if d.All {
		s.remove = append(s.remove, progress.DirtyKey{WindowEnd: d.End, Group: progress.AllGroups})
	}
	for key := range d.Groups {
		s.remove = append(s.remove, progress.DirtyKey{WindowEnd: d.End, Group: key})
	}
	s.dirty.Remove(d.End)
}
