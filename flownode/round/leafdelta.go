package round

// What one round finds out about one leaf.
// Before: its pane state, where it exists, stands where the flow does.
// After: the ordered samples of the delta are in pane state; which closed windows
// the delta reaches, and which cells must be folded again, is noted.

import (
	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/read"
	"laminar/sequence/segment"
)

// leafDelta is what one round finds out about a leaf. It is made anew each round:
// nothing of it may be seen by the next.
//
// Touches of closed windows are noted by group, because a window is recomputed for
// the groups that changed only. They are noted by pane, not by window, because one
// pane lies in many windows: which ones is worked out once, when all is read.
type leafDelta struct {
	*keep.Leaf
	plan      flowplan.Leaf
	closed    int64        // samples up to this time reach closed windows
	pushed    bool         // the ordered delta is aggregated by the database
	late      keep.Touches // ordered samples of the delta that reach closed windows
	unordered keep.Touches // unordered ones that do
	repair    keep.Touches // unordered samples that fall in panes in memory, by slot
}

// wouldGrow is about how many bytes of pane state samples from minT to maxT add,
// if every slot gets a cell in every pane. One sample from far away would: then
// state is not worth its memory and is dropped.
func (l *leafDelta) wouldGrow(minT, maxT int64) int64 {
	return l.StateBytes((maxT - max(minT, l.From()) + l.Def.Pane) / l.Def.Pane)
}

// take takes one hot ordered segment of the delta: it is folded into pane state,
// and where it reaches closed windows that is noted. A leaf that lacks state only
// notes; its windows are computed from raw samples, which hold the segment too.
func (l *leafDelta) take(seg *segment.Segment) {
	switch {
	case l.pushed || !l.plan.Ordered:
	case l.State != nil:
		l.State.Fold(seg, l.Members, l.closed, func(t int64, slot int32) {
			l.late.Add(l.TouchEnd(t), l.Members.GroupOf[slot])
		})
	case seg.MinT <= l.closed:
		for i, id := range seg.Series {
			if slot := l.Members.Index.Get(id); slot != keep.NoSlot && seg.Time(i) <= l.closed && l.Pins(seg.Time(i)) {
				l.late.Add(l.TouchEnd(seg.Time(i)), l.Members.GroupOf[slot])
			}
		}
	}
}

// takeUnordered takes an unordered sample: it may reach closed windows, and the
// panes in memory must have it. Where nothing else is stored at its time, and
// order does not matter to the pane, it is folded as it is. Otherwise the sample
// replaces another, or belongs in the middle of what the cell has folded: there is
// no inverse of a fold, so the cell is emptied and folded again from raw samples.
func (l *leafDelta) takeUnordered(x read.UnorderedSample) {
	slot := l.Members.Index.Get(x.Series)
	if slot == keep.NoSlot {
		return
	}
	if x.T <= l.closed && l.Pins(x.T) {
		l.unordered.Add(l.TouchEnd(x.T), l.Members.GroupOf[slot])
	}
	if l.State == nil || x.T <= l.From() {
		return
	}
	if x.New && l.FoldsLate() {
		l.State.FoldSorted(slot, len(l.Members.GroupOf), []int64{x.T}, []float64{x.V})
		return
	}
	l.repair.Add(l.PaneOf(x.T), slot)
}
