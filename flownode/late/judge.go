package late

// What becomes of the samples that were noted.
// Before: windows that are computed again for other reasons are on the dirty list.
// After: each closed window that a sample reaches is on the list, or lacks the sample
// and is noted.

import (
	"cmp"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Flow is what is asked of a flow to judge its late samples.
type Flow struct {
	Emitted sequence.Time // windows with an end up to here are closed
	Frozen  sequence.Time // those up to here keep their values
	Every   int64

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

// Judge judges all that was noted.
func (n *Notes) Judge(f Flow) *Left {
	out := &Left{side: f.Side, windows: map[sequence.Time]map[string]*lack{}}
	for _, span := range n.spans {
		f.each(span.After+1, span.UpTo, f.Side != nil, progress.AllGroups, progress.PrecisionLost, func(end sequence.Time) {
			out.lack(end, progress.AllGroups)
		})
	}
	// First those that make windows be computed again: what else these lack they will have.
	for _, unknown := range []bool{true, false} {
		for c, t := range n.cells {
			key := f.Key(c.leaf, c.group)
			if (f.Side != nil && (c.replaces || key == progress.AllGroups)) == unknown {
				f.judge(out, c, t, key, unknown)
			}
		}
	}
	for i := range n.kept {
		x := n.kept[(n.next+i)%len(n.kept)]
		if !x.of.missed.Empty() {
			x.sample.First, x.sample.Last = x.of.missed.After+1, x.of.missed.UpTo
			out.kept = append(out.kept, x.sample)
		}
	}
	return out
}

// judge judges the samples of a cell. unknown says that it cannot be told what they add to
// a row beside the table.
func (f *Flow) judge(out *Left, c cell, t *tally, key string, unknown bool) {
	reason := progress.LateOrdered
	if c.unordered {
		reason = progress.Unordered
	}
	t.missed = sequence.Span{}
	f.each(c.first, c.last, unknown, key, reason, func(end sequence.Time) {
		l := out.lack(end, key)
		l.samples += t.read
		if f.Side != nil {
			l.adds.Merge(&t.adds)
			l.columns = f.Side.Columns(c.group)
		}
		t.missed = t.missed.Join(sequence.Between(end, end))
	})
	if !t.missed.Empty() {
		out.samples += t.samples
	}
}

// each goes through the closed windows with an end from first to last: missed is called
// for those that stay as they are, and the others are computed again; with again all are.
func (f *Flow) each(first, last sequence.Time, again bool, key string, reason progress.Reason, missed func(end sequence.Time)) {
	for end := first; end <= min(last, f.Emitted); end += f.Every {
		switch {
		case end > f.Frozen || again:
			f.Again(end, key, reason)
		case !f.Waits(end, key):
			missed(end)
		}
	}
}

// Left is what a round leaves out of closed windows, and which windows lack nothing any
// more because of it.
type Left struct {
	samples int64
	windows map[sequence.Time]map[string]*lack // what they lack, by group
	side    *Side
	whole   []progress.DirtyKey
	kept    []progress.LateSample
}

// maxGroups is how many groups of a window are told apart in one round. Of a window that
// lacks samples in more, all groups are noted as one, where they need not add to rows.
const maxGroups = flowplan.MaxDirtyGroups

// lack is what a window lacks of a group.
type lack struct {
	samples int64
	adds    partial.Simple // where they add to rows
	columns []string       // of the row
}

// lack is what a window lacks of a group so far.
func (l *Left) lack(end sequence.Time, key string) *lack {
	if l.windows[end] == nil {
		l.windows[end] = map[string]*lack{}
	}
	if l.windows[end][key] == nil {
		l.windows[end][key] = &lack{}
	}
	return l.windows[end][key]
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

// Result is all of it as it is to be stored; nil when there is nothing.
func (l *Left) Result() *progress.Late {
	out := &progress.Late{Samples: l.samples, Whole: l.whole, Kept: l.kept}
	for end, groups := range l.windows {
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
	if out.Samples == 0 && len(out.Windows)+len(out.Whole) == 0 {
		return nil
	}
	slices.SortFunc(out.Windows, func(a, b progress.LateWindow) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Group, b.Group))
	})
	return out
}
