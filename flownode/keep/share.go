package keep

// Leaves that use the same panes.
//
// Real files repeat leaves: one rate under three groupings, one counter over 5m,
// 30m and 1h. What a sample is folded into does not depend on grouping, range or
// function, only on the selection of series, the kind of partial and the width of a
// pane. So leaves of one fence group that agree in these (ShareKey) use one Selection
// and one row of panes: a sample is folded once, whatever the number of leaves.
//
//	Selection   series -> slot             one for each set of matchers
//	panes       pane -> slot -> partial    one for each ShareKey
//	slide       what a window merges to    one for each function and window
//	Grouping    slot -> group of labels    one for each selection and what it groups by
//
// Leaves share within one round's flows: all of them stand at one vector after it,
// and all are thrown away if it fails. Which of them share is worked out anew in each
// round, so a flow that comes, goes or is loaded again costs no bookkeeping.

import "fmt"

// ShareMembers makes fresh leaves, which have no members yet, number their slots as
// others do that select the same series, and put them into the same groups as those that
// group by the same: leaves among all, or each other. Series must then be added to all of
// them.
func ShareMembers(fresh, all Leaves) {
	// Slots depend on the selection alone, and not on the kind of partial or the
	// panes; those of a leaf whose slots are groups are like no other's.
	keyOf := func(l *Leaf) string {
		if l.Members.ByGroup {
			return fmt.Sprint(l.Def.Text, l.Def.Results, l.Def.Relabel.Key())
		}
		return selectionKey(l)
	}
	first, isFresh := map[string]*Members{}, make(map[*Leaf]struct{}, len(fresh))
	grouped := map[string]*Members{} // by groupingKey
	join := func(l *Leaf) {
		if m := grouped[groupingKey(l)]; m != nil && m.Selection == l.Members.Selection {
			l.Members.Grouping = m.Grouping
		} else {
			grouped[groupingKey(l)] = l.Members
		}
	}
	for _, l := range fresh {
		isFresh[l] = struct{}{}
	}
	for _, l := range all {
		if _, ok := isFresh[l]; l.key == "" || ok {
			continue
		}
		if first[keyOf(l)] == nil {
			first[keyOf(l)] = l.Members
		}
		if m := first[keyOf(l)]; !m.ByGroup && m.Selection == l.Members.Selection && grouped[groupingKey(l)] == nil {
			grouped[groupingKey(l)] = l.Members
		}
	}
	for _, l := range fresh {
		if l.key == "" {
			continue
		}
		switch m := first[keyOf(l)]; {
		case m == nil:
			first[keyOf(l)] = l.Members
			if !l.Members.ByGroup {
				join(l)
			}
		case m.ByGroup:
			l.Members = m
		default:
			l.Members.Selection = m.Selection
			join(l)
		}
	}
}

// groupingKey is equal for leaves that put the same series into the same groups.
func groupingKey(l *Leaf) string {
	if l.Def.Relabel != nil { // then the function tells, too, what series that become equal are
		return selectionKey(l) + l.Def.Text
	}
	return fmt.Sprintf("%s %t %t %t %q %t %q", selectionKey(l), l.Def.Agg != nil, l.Def.Without, l.Def.KeepsName(), l.Def.Grouping, l.Def.CountsGroups, l.Def.Per)
}

// Share makes the leaf use the panes of another leaf with the same ShareKey, whose
// members it shares. It reports whether it does.
func (l *Leaf) Share(of *Leaf) bool {
	if l.key == "" || l.key != of.key || of.State == nil || l.Members.Selection != of.Members.Selection {
		return false
	}
	if l.State == nil || !l.State.Same(of.State) {
		l.State = l.builder.share(of.State)
	}
	return true
}

// Sets divides the leaves that have pane state by the panes they use, and makes each
// set the only users of its panes. The first of a set stands for all: what is done to
// its panes is done to those of the others.
func (ls Leaves) Sets() []Leaves {
	var out []Leaves
	place := map[any]int{}
	for _, l := range ls {
		if l.State == nil {
			continue
		}
		id := l.State.Panes()
		i, ok := place[id]
		if !ok {
			i = len(out)
			out, place[id] = append(out, nil), i
		}
		out[i] = append(out[i], l)
	}
	for _, set := range out {
		states := make([]State, len(set))
		for i, l := range set {
			states[i] = l.State
		}
		set[0].State.UsedBy(states)
	}
	return out
}
