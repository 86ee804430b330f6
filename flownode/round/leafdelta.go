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

// leafDelta is what one round finds out about a leaf. It is made anew each
// round.
type leafDelta struct {
	*keep.Leaf
	plan      flowplan.Leaf
	closed    int64        // samples up to this time reach closed windows
	pushed    bool         // the ordered delta is aggregated by the database
	late      keep.Touches // ordered samples of the delta that reach closed windows
	unordered keep.Touches // unordered ones
	repair    keep.Touches // unordered samples that fall in panes in memory, by slot
}

// wouldGrow is about how many bytes of pane state samples from minT to maxT
// add.
func (l *leafDelta) wouldGrow(minT, maxT int64) int64 {
	return l.StateBytes((maxT - max(minT, l.From()) + l.Def.Pane) / l.Def.Pane)
}

// take takes one hot ordered segment of the delta: it is folded into pane state,
// and where it reaches closed windows that is noted.
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
// order does not matter to the pane, it is folded as it is; else only raw samples
// can tell what the cell holds now.
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
