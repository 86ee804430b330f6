package advance

// The delta of one leaf in one round.
// Before: its pane state, where it exists, stands where the flow does.
// After: the ordered samples of the delta are in pane state; the closed windows
// that the delta reaches, and the cells that must be folded again, are noted.

import (
	"math"

	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Leaf is what one round finds out about a leaf. It is made anew each round:
// nothing of it may be seen by the next.
//
// Touches of closed windows are noted by group, because a window is recomputed for
// the groups that changed only. They are noted by pane, not by window, because one
// pane lies in many windows: which ones is worked out once, when all is read.
type Leaf struct {
	*keep.Leaf
	Plan      flowplan.Leaf
	Late      keep.Touches // ordered samples of the delta that reach closed windows
	Unordered keep.Touches // unordered ones that do
	Upstream  keep.Touches // results of flows that do, whatever their order

	// OnLate, where it is not nil, is told of each raw sample of the delta that reaches
	// closed windows, and Late and Unordered stay empty. The samples of such a leaf are
	// never aggregated by the database.
	OnLate func(LateSample)

	closed sequence.Time // samples up to this time reach closed windows
	pushed bool          // the ordered delta is aggregated by the database
	repair keep.Touches  // unordered samples that fall in panes in memory, by slot

	// Before is closed sessions of groups that late samples are in, of a flow of sessions.
	Before keep.Before

	// Leaves that use the same panes are one set. Its first leaf folds for all, the
	// others follow.
	set     []*Leaf
	follows bool
}

// NewLeaves is the leaves of a flow that has emitted its windows up to a time, with
// nothing of the delta found. Where windows have not begun (sequence.NoTime), every
// sample counts as one that reaches closed windows: where windows begin is found from
// the first samples.
func NewLeaves(leaves keep.Leaves, emittedUntil sequence.Time) []*Leaf {
	all, out := make([]Leaf, len(leaves)), make([]*Leaf, len(leaves))
	for i, l := range leaves {
		out[i] = &all[i]
		out[i].Leaf, out[i].closed = l, math.MaxInt64
		if emittedUntil != sequence.NoTime {
			out[i].closed = l.ClosedT(emittedUntil)
		}
	}
	return out
}

// LateSample is a sample of the delta that reaches closed windows of a leaf.
type LateSample struct {
	Series    sequence.SeriesID
	T         sequence.Time
	V         float64
	Group     int32
	Unordered bool // late within its series, repeated or overwriting
	Replaces  bool // something else may be stored of the series at its time
}

// Closes reports whether the leaf reads the series, and a sample of it at the time reaches
// closed windows.
func (l *Leaf) Closes(id sequence.SeriesID, t sequence.Time) bool {
	return t <= l.closed && l.Members.Index.Get(id) != keep.NoSlot
}

// Touches is where the leaf notes closed windows that the delta reaches.
func (l *Leaf) Touches() []*keep.Touches { return []*keep.Touches{&l.Late, &l.Unordered, &l.Upstream} }

// dropState forgets the pane state of the leaf, and of those that use its panes: these
// are not what they should be.
func (l *Leaf) dropState() {
	for _, o := range l.set {
		o.State, o.set, o.follows = nil, nil, false
	}
	l.State = nil
}

// ofSet is the leaves that what is folded here concerns.
func (l *Leaf) ofSet() []*Leaf {
	if len(l.set) == 0 {
		return []*Leaf{l}
	}
	return l.set
}

// wouldGrow is about how many bytes of pane state samples in the span need, if
// every slot gets a cell in every pane of it. Times before the state's beginning
// are not kept and count for nothing. A single sample from far ahead can make it
// huge: then the state is not worth its memory.
func (l *Leaf) wouldGrow(span sequence.Span) int64 {
	return l.StateBytes((span.UpTo - max(span.After, l.From()) + l.Def.Pane - 1) / l.Def.Pane)
}

// closedBy is where closed windows are noted that an ordered segment reaches.
func (l *Leaf) closedBy(seg *segment.Segment) *keep.Touches {
	if seg.Region == results.Region {
		return &l.Upstream
	}
	return &l.Late
}

// tells reports whether late samples of a segment are told one by one.
func (l *Leaf) tells(seg *segment.Segment) bool {
	return l.OnLate != nil && seg.Region != results.Region
}

// notedUpTo is the time up to which samples of a segment are noted by pane and group.
func (l *Leaf) notedUpTo(seg *segment.Segment) sequence.Time {
	if l.tells(seg) {
		return math.MinInt64
	}
	return l.closed
}

// take uses one hot ordered segment of the delta. The segment is folded into pane
// state, and the closed windows that it reaches are noted. Without state they are
// only noted: the leaf's windows are computed from raw samples, which hold the
// segment too. A leaf whose delta the database aggregates ignores the segment, and so
// does one whose set has it folded by another.
func (l *Leaf) take(seg *segment.Segment) {
	if l.tells(seg) && l.Plan.Ordered && seg.MinT <= l.closed {
		for i, id := range seg.Series {
			if slot := l.Members.Index.Get(id); slot != keep.NoSlot && seg.Time(i) <= l.closed {
				l.OnLate(LateSample{Series: id, T: seg.Time(i), V: seg.Values[i], Group: l.Members.GroupOf[slot]})
			}
		}
	}
	switch {
	case l.pushed || l.follows || !l.Plan.Ordered:
	case len(l.set) > 1:
		closed := l.notedUpTo(seg)
		for _, o := range l.set {
			closed = max(closed, o.notedUpTo(seg))
		}
		l.State.Fold(seg, l.Members, closed, func(t int64, slot int32) {
			for _, o := range l.set {
				if t <= o.notedUpTo(seg) {
					o.closedBy(seg).Add(o.TouchEnd(t), o.Members.GroupOf[slot])
				}
			}
		})
	case l.State != nil:
		late := l.closedBy(seg)
		l.State.Fold(seg, l.Members, l.notedUpTo(seg), func(t int64, slot int32) {
			l.noteBefore(slot)
			late.Add(l.TouchEnd(t), l.Members.GroupOf[slot])
		})
	case seg.MinT <= l.notedUpTo(seg):
		late := l.closedBy(seg)
		for i, id := range seg.Series {
			if slot := l.Members.Index.Get(id); slot != keep.NoSlot && seg.Time(i) <= l.closed && l.Pins(seg.Time(i)) {
				late.Add(l.TouchEnd(seg.Time(i)), l.Members.GroupOf[slot])
			}
		}
	}
}

// noteBefore notes what closed sessions of a slot's group are, before a late sample of it
// is folded.
func (l *Leaf) noteBefore(slot int32) {
	if l.Def.Session != nil {
		l.Before.Note(l.Leaf, l.Members.GroupOf[slot], l.closed+l.Def.Offset)
	}
}

// takeUnordered uses one unordered sample. It may reach closed windows, and the
// panes in memory must hold it. If nothing else is stored at its time, and order
// does not matter to the partial, it is folded as it is. Otherwise it replaces
// another sample, or belongs between samples that the cell has folded already. A
// fold has no inverse, so such a cell is emptied and folded again from raw samples.
func (l *Leaf) takeUnordered(x read.UnorderedSample) {
	slot := l.Members.Index.Get(x.Series)
	if slot == keep.NoSlot {
		return
	}
	switch {
	case x.T > l.closed || !l.Pins(x.T):
	case l.OnLate != nil && x.Metric >= 0:
		l.OnLate(LateSample{Series: x.Series, T: x.T, V: x.V, Group: l.Members.GroupOf[slot], Unordered: true, Replaces: !x.New})
	default:
		l.noteBefore(slot)
		touched := &l.Unordered
		if x.Metric < 0 {
			touched = &l.Upstream
		}
		touched.Add(l.TouchEnd(x.T), l.Members.GroupOf[slot])
	}
	if l.State == nil || l.follows || x.T <= l.From() {
		return
	}
	if x.New && l.FoldsLate() {
		l.State.FoldSorted(slot, len(l.Members.GroupOf), []int64{x.T}, []float64{x.V})
		return
	}
	l.repair.Add(l.PaneOf(x.T), slot)
}
