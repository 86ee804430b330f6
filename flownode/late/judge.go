package late

// What becomes of the samples that were noted.
// Before: windows that are computed again for other reasons are on the dirty list.
// After: each closed window that a sample reaches is on the list, or lacks the sample
// and is noted.

import (
	"cmp"
	"maps"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Flow is what is asked of a flow to judge its late samples.
type Flow struct {
	Every int64
	Noted int64 // windows with a group that are noted of it already

	// Side, where it is not nil, is of a flow whose late samples add to rows beside its
	// table: then a window of which it cannot be told what a sample adds is computed again.
	Side *Side

	// Key names a group of a leaf as the dirty list does; progress.AllGroups where
	// results depend on more than one group.
	Key func(leaf, group int32) string
	// Waits reports whether a window is to be computed again for the group anyway.
	Waits func(end sequence.Time, key string) bool
	// Again makes a window be computed again for the group.
	Again func(end sequence.Time, key string, reason progress.Reason)
}

// Side is how late samples add to rows.
type Side struct {
	Of      func(*partial.Simple) float64 // what samples add to a row
	Columns func(group int32) []string    // of the row of a group
}

// judging is Judge under way.
type judging struct {
	*Flow
	frozen sequence.Time
	out    *Left
	room   int // how many windows with a group can still be noted
	visits int // how many windows may still be looked at
}

// Judge judges all that was noted.
func (n *Notes) Judge(f Flow) *Left {
	out := &Left{side: f.Side, every: f.Every, windows: map[sequence.Time]map[string]*lack{}}
	most := n.bounds.Flow
	if f.Side != nil {
		most = n.bounds.Rows
	}
	j := judging{Flow: &f, frozen: n.frozen, out: out, room: min(n.bounds.Windows, max(0, most-int(f.Noted))), visits: n.bounds.Visits}
	for _, span := range n.spans {
		j.reach(span.After+1, span.UpTo, progress.AllGroups, progress.PrecisionLost, f.Side != nil, 0, nil)
	}
	for _, r := range n.rest {
		if r != nil {
			j.rest(r)
		}
	}
	// First those that make windows be computed again: what else these lack they will have.
	// Of the others the newest, because not all may be told apart.
	cells := slices.SortedFunc(maps.Keys(n.cells), func(a, b cell) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(b.First, a.First), cmp.Compare(a.Leaf, b.Leaf), cmp.Compare(a.Group, b.Group), cmp.Compare(a.further, b.further))
	})
	for _, unknown := range []bool{true, false} {
		for _, c := range cells {
			if (f.Side != nil && (c.replaces || j.key(c.Reach) == progress.AllGroups)) == unknown {
				j.cell(n, c, unknown)
			}
		}
	}
	for i := range n.kept {
		x := n.kept[(n.next+i)%len(n.kept)]
		if missed := x.of.missed.Cut(sequence.Between(x.sample.First, x.sample.Last)); !missed.Empty() {
			x.sample.First, x.sample.Last = missed.After+1, missed.UpTo
			out.kept = append(out.kept, x.sample)
		}
	}
	return out
}

// key is the name of a reach's group.
func (j *judging) key(r Reach) string {
	if r.Group == anyGroup {
		return progress.AllGroups
	}
	return j.Key(r.Leaf, r.Group)
}

// cell judges the samples of a cell. unknown says that it cannot be told what they add to
// a row beside the table.
func (j *judging) cell(n *Notes, c cell, unknown bool) {
	reason, t := progress.LateOrdered, n.cells[c]
	if c.unordered {
		reason = progress.Unordered
	}
	t.missed = sequence.Span{}
	one := func(r Reach) {
		t.missed = t.missed.Join(j.reach(r.First, r.Last, j.key(r), reason, unknown, t.samples, func(l *lack) {
			if j.Side != nil {
				l.adds.Merge(&t.adds)
				l.columns = j.Side.Columns(r.Group)
			}
		}))
	}
	one(c.Reach)
	if c.further > 0 {
		for _, r := range n.further[c.further-1] {
			one(r)
		}
	}
	if !t.missed.Empty() {
		j.out.samples += t.samples
	}
}

// rest judges the samples that have no cell.
func (j *judging) rest(r *rest) {
	r.missed = sequence.Span{}
	if r.missed = j.reach(r.ends.After+1, r.ends.UpTo, progress.AllGroups, progress.LateOrdered, j.Side != nil, 0, nil); !r.missed.Empty() {
		j.out.samples += r.frozen
	}
}

// reach judges samples in the windows with an end from first to last: those that do not keep
// their values are computed again, and with again all are. missed is the others that do not
// wait for that anyway: each lacks so many samples, which add can add to. Where they are too
// many to be told apart they are noted as a stretch; and what would then be unknown of rows
// beside the table is computed again.
func (j *judging) reach(first, last sequence.Time, key string, reason progress.Reason, again bool, samples int64, add func(*lack)) (missed sequence.Span) {
	frozen := min(last, j.frozen)
	n := 0
	if frozen >= first {
		n = int((frozen-first)/j.Every) + 1
	}
	switch {
	case again:
		frozen = first - 1
	case n <= j.visits && n <= j.room:
		j.visits -= n
	case j.Side != nil:
		frozen = first - 1
	case n > 0:
		end := first + int64(n-1)*j.Every // of the last of them
		missed = sequence.Between(first, end)
		j.out.stretches = append(j.out.stretches, sequence.Span{After: first - j.Every, UpTo: end})
		first = end + j.Every
	}
	for end := first; end <= last; end += j.Every {
		switch {
		case end > frozen:
			j.Again(end, key, reason)
		case !j.Waits(end, key):
			l, fresh := j.out.lack(end, key)
			if fresh {
				j.room--
			}
			if l.samples += samples; add != nil {
				add(l)
			}
			missed = missed.Join(sequence.Between(end, end))
		}
	}
	return missed
}

// Left is what a round leaves out of closed windows, and which windows lack nothing any
// more because of it.
type Left struct {
	samples   int64
	every     int64
	windows   map[sequence.Time]map[string]*lack // what they lack, by group
	stretches []sequence.Span                    // of ends of windows that may lack samples
	side      *Side
	whole     []progress.DirtyKey
	kept      []progress.LateSample
}

// NewLeft is what a round leaves out in which no sample was late, of a flow with this step.
func NewLeft(every int64) *Left { return &Left{every: every} }

// maxGroups is how many groups of a window are told apart in one round. Of a window that
// lacks samples in more, all groups are noted as one, where they need not add to rows.
const maxGroups = flowplan.MaxDirtyGroups

// lack is what a window lacks of a group.
type lack struct {
	samples int64
	adds    partial.Simple // where they add to rows
	columns []string       // of the row
}

// lack is what a window lacks of a group so far, or of all groups if there are too many;
// fresh is true the first time.
func (l *Left) lack(end sequence.Time, key string) (of *lack, fresh bool) {
	groups := l.windows[end]
	if groups == nil {
		groups = map[string]*lack{}
		l.windows[end] = groups
	}
	if groups[key] == nil && l.side == nil && len(groups) >= maxGroups {
		key = progress.AllGroups
	}
	if of = groups[key]; of == nil {
		of, fresh = &lack{}, true
		groups[key] = of
	}
	return of, fresh
}

// Whole says that a window is computed from all its samples in this round: of all groups,
// or of those with the keys. What it lacked before this round, it lacks no more either.
func (l *Left) Whole(end sequence.Time, all bool, keys map[string]struct{}) {
	if all {
		delete(l.windows, end)
		l.whole = append(l.whole, progress.DirtyKey{WindowEnd: end, Group: progress.AllGroups})
		return
	}
	for key := range keys {
		delete(l.windows[end], key)
		l.whole = append(l.whole, progress.DirtyKey{WindowEnd: end, Group: key})
	}
}

// Result is all of it as it is to be stored; nil when there is nothing. before is the
// stretches of the flow so far. Windows that end before gone are not noted: raw samples of
// them are given up, or their results are not kept.
func (l *Left) Result(before sequence.Spans, gone sequence.Time) *progress.Late {
	out := &progress.Late{Samples: l.samples, Whole: l.whole, Kept: l.kept}
	for end, groups := range l.windows {
		if end < gone {
			continue
		}
		if l.side == nil && len(groups) > maxGroups {
			all := &lack{}
			for _, x := range groups {
				all.samples += x.samples
			}
			groups = map[string]*lack{progress.AllGroups: all}
		}
		for key, x := range groups {
			w := progress.LateWindow{End: end, Group: key, Samples: x.samples}
			if l.side != nil {
				w.Row = &progress.Row{Columns: x.columns, Value: l.side.Of(&x.adds)}
			}
			out.Windows = append(out.Windows, w)
		}
	}
	if out.Samples == 0 && len(out.Windows)+len(out.Whole)+len(l.stretches) == 0 {
		return nil
	}
	slices.SortFunc(out.Windows, func(a, b progress.LateWindow) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Group, b.Group))
	})
	noted := sequence.Span{After: pane.Windows{Every: l.every}.From(gone) - l.every, UpTo: sequence.EndOfTime}
	for i := range l.stretches {
		l.stretches[i] = l.stretches[i].Cut(noted)
	}
	out.Stretches = progress.Stretches(before, l.stretches, l.wholeEnds())
	return out
}

// wholeEnds is the windows that are computed whole in this round, as stretches.
func (l *Left) wholeEnds() []sequence.Span {
	var out []sequence.Span
	for _, k := range l.whole {
		if k.Group == progress.AllGroups {
			out = append(out, sequence.Span{After: k.WindowEnd - l.every, UpTo: k.WindowEnd})
		}
	}
	return out
}
