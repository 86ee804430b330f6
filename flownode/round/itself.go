package round

// A flow that reads its own results.
// Before: some window is about to be computed, or was.
// After: a window sees what the windows before it have given, and those behind it that
// read what it has changed are computed again.
//
// Such a flow computes one window at a time, in order, so that each sees all before
// it. When a window is corrected, later ones that read it go on the dirty list, to be
// computed at once; what they change is corrected in the same way. So a correction walks
// forward as far as values change. For a running total that is to the newest window,
// perhaps a year of them, so unlike corrections of other flows it may take several
// rounds: what is left of it is on the dirty list as it is stored.

import (
	"cmp"
	"context"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// correct writes a closed window that was computed again, since is the vector before what
// made that necessary. rows and all are those of upstream.tell.
func (s *flowRound) correct(ctx context.Context, w progress.Window, rows []progress.Row, all bool, since sequence.Vector) error {
	if s.readsItself() && w.End < s.to.EmittedUntil {
		s.showUntil(s.to.EmittedUntil)
		differs, err := s.feed.Differs(ctx, s.r.cascade.Tables, w.End, rows)
		if err != nil {
			return err
		}
		if differs {
			walkOn(s, w.End, since)
		}
	}
	s.out.put(w)
	s.tell(w, rows, all)
	return nil
}

// walkOn makes the closed windows dirty that read what the window with this end has
// changed: its results, and the markers at the next end. They lack what that window lacked,
// since the same vector: who waits for it waits for them, in whatever round they are computed.
func walkOn(s *flowRound, end sequence.Time, since sequence.Vector) {
	every := s.windows().Every
	changed := sequence.Between(end, end+every)
	for _, l := range s.Leaves {
		if !mayRead(l.Def, s.Flow) {
			continue
		}
		first, last := l.Windows.Of(changed)
		if l.Def.Pinned {
			if !l.Span(0).Overlaps(changed) {
				continue
			}
			first, last = end, s.to.EmittedUntil
		}
		for w := range l.Windows.Ends(max(first, end+every), min(last, s.to.EmittedUntil)) {
			s.DirtyWindows.Touch(w, progress.AllGroups, progress.Upstream, since, s.r.Pos.Now)
			s.onward = append(s.onward, s.DirtyWindows.AtOnce(w))
		}
	}
}

// onward is windows that read what the last window that was computed again has changed.
type onward []*flowplan.DirtyWindow

// among adds these windows, up to an end, to those that are to be computed again, which
// ascend, and empties the list. Others stay on the dirty list.
func (o *onward) among(queue []*flowplan.DirtyWindow, upTo sequence.Time) []*flowplan.DirtyWindow {
	for _, d := range *o {
		if d.End > upTo {
			continue
		}
		at, found := slices.BinarySearchFunc(queue, d, func(a, b *flowplan.DirtyWindow) int { return cmp.Compare(a.End, b.End) })
		if !found {
			queue = slices.Insert(queue, at, d)
		}
	}
	*o = (*o)[:0]
	return queue
}
