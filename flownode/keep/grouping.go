package keep

// From slots to groups.
// Before: a series that the leaf selects has a slot, or is to have that of its group.
// After: its slot is in a group, and stays there.

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/sequence/series"
)

// noGroup stands for no group.
const noGroup int32 = -1

// Add makes a series a member if the leaf selects it and it is not a member yet. It
// reports whether it did.
func (m *Members) Add(s *series.Series) bool {
	one, before := []series.Series{*s}, len(m.Series)
	m.Select(one)
	m.Group(one)
	return len(m.Series) > before
}

// Group puts those series of the list that have slots into their groups, if they are
// in none yet. Of members that share a grouping one does it for all.
func (m *Members) Group(list []series.Series) {
	m.byValues = nil
	defer func() { m.byValues = nil }() // it serves one list: there can be as many groups as series
	grown := map[int32]struct{}{}       // groups whose slots may not ascend any more
	if m.fold != nil && !m.fold.full() {
		list = byCreation(list)
	}
	for i := range list {
		s := &list[i]
		if m.ByGroup {
			m.addByGroup(s)
			continue
		}
		slot := m.Index.Get(s.ID)
		if slot == NoSlot || int(slot) < len(m.GroupOf) && m.GroupOf[slot] != noGroup {
			continue
		}
		g, lset := m.groupOf(s)
		for int(slot) >= len(m.GroupOf) {
			m.addSlot()
		}
		if m.perNum != nil {
			m.spell(m.Def.Per, m.seenIn(s.Labels))
			m.perOf[slot] = number(m.perNum, string(m.values))
		}
		m.GroupOf[slot] = g
		if m.setNum != nil {
			m.setOf[slot] = number(m.setNum, flowdef.GroupKey(m.told(lset)))
		}
		m.crossed = m.crossed || g != slot
		group := &m.Groups[g]
		if n := len(group.slots); n > 0 && group.slots[n-1] > slot {
			grown[g] = struct{}{}
		}
		group.slots = append(group.slots, slot)
	}
	for g := range grown {
		slices.Sort(m.Groups[g].slots)
	}
	for !m.ByGroup && len(m.GroupOf) < len(m.Series) { // slots that others have added
		m.addSlot()
	}
}

// addSlot adds a slot of which the series is in no group yet.
func (m *Members) addSlot() {
	m.GroupOf = append(m.GroupOf, noGroup)
	if m.setNum != nil {
		m.setOf = append(m.setOf, 0)
	}
	if m.perNum != nil {
		m.perOf = append(m.perOf, 0)
	}
}

// counted reports whether the group of series that a slot is in was counted in this window,
// and notes that it was.
func (m *Members) counted(slot int32) bool {
	at := &m.perCounted[m.perOf[slot]]
	before := *at == m.perWindow
	*at = m.perWindow
	return before
}

// nextWindow begins to count groups of series anew.
func (m *Members) nextWindow() {
	if m.perWindow++; m.perWindow == 0 || len(m.perCounted) < len(m.perNum) {
		m.perCounted, m.perWindow = make([]uint32, len(m.perNum)+len(m.perNum)/8), 1
	}
}

// addByGroup makes a series a member of leaf whose slots are groups, or groups of series.
// A slot is made with its first series.
func (m *Members) addByGroup(s *series.Series) {
	if m.Index.Get(s.ID) != NoSlot {
		return
	}
	g, _ := m.groupOf(s)
	if g == noGroup {
		return
	}
	if m.perNum != nil {
		m.spell(m.Def.Per, m.seenIn(s.Labels))
		slot := number(m.perNum, string(m.values))
		if int(slot) == len(m.GroupOf) {
			m.Groups[g].slots = append(m.Groups[g].slots, slot)
			m.GroupOf = append(m.GroupOf, g)
		}
		m.add(s, slot)
		return
	}
	if len(m.Groups[g].slots) == 0 {
		m.Groups[g].slots = []int32{int32(len(m.GroupOf))}
		m.GroupOf = append(m.GroupOf, g)
	}
	m.add(s, m.Groups[g].slots[0])
}

// groupOf is the group of a series, noGroup where the leaf does not select it, and
// its labels, which are empty where nothing but the group depends on them.
func (m *Members) groupOf(s *series.Series) (int32, labels.Labels) {
	if m.setNum == nil && len(s.Labels) > 0 && &s.Labels[0] == m.Grouping.lastSet {
		return m.lastGroup, labels.EmptyLabels()
	}
	if m.passes(s) {
		return noGroup, labels.EmptyLabels()
	}
	// Matchers see every label that members depend on; others may be missing.
	lset, g := labels.EmptyLabels(), noGroup
	if get := valueIn(s.Labels); m.Def.Matches(get) {
		if !m.valuesOf(get) {
			if lset = toLabels(s.Labels); m.Def.LeavesOut(lset) {
				return noGroup, labels.EmptyLabels()
			}
			g = m.group(m.Def.GroupLabels(lset))
		} else if known, ok := m.byValues[string(m.values)]; ok {
			g = known
		} else {
			g = m.group(m.Def.GroupLabels(toLabels(s.Labels)))
			if m.byValues == nil {
				m.byValues = map[string]int32{}
			}
			m.byValues[string(m.values)] = g
		}
	}
	if m.Grouping.lastSet, m.lastGroup = nil, g; len(s.Labels) > 0 {
		m.Grouping.lastSet = &s.Labels[0]
	}
	return g, lset
}

// number returns the key's number, giving it the next one if it has none.
func number(of map[string]int32, key string) int32 {
	n, ok := of[key]
	if !ok {
		n = int32(len(of))
		of[key] = n
	}
	return n
}

// FoldedKey is the key of the group that new series of the group with a key come into: its
// own, or where no further group is chosen that of all others.
func (m *Members) FoldedKey(key string) string {
	if m.fold == nil || !m.fold.full() || m.Def.Agg == nil {
		return key
	}
	if _, chosen := m.fold.chosen[key]; chosen {
		return key
	}
	return flowdef.GroupKey(m.fold.others())
}

// group returns the number of the group with these labels, making it if needed.
func (m *Members) group(lset labels.Labels) int32 {
	key := flowdef.GroupKey(lset)
	g, ok := m.groupNum[key]
	if !ok && m.fold != nil {
		var own bool
		if lset, own = m.fold.inGroup(lset, key, m.Def.Agg != nil); !own && m.Def.Agg != nil {
			key = flowdef.GroupKey(lset)
			g, ok = m.groupNum[key]
		}
	}
	if !ok || m.apart {
		g = int32(len(m.Groups))
		group := LabelGroup{Labels: lset, Key: key}
		if m.Def.Func == nil && m.Def.Relabel != nil {
			seen := m.Def.Seen(lset)
			group.Seen = &seen
		}
		m.Groups = append(m.Groups, group)
		m.groupNum[key] = g
	}
	return g
}
