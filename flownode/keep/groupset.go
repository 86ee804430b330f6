package keep

// Groups of a leaf by number and by key, and their series.

import (
	"laminar/sequence"
)

// GroupOfKey returns the number of the group with a key, if a member has it.
func (m *Members) GroupOfKey(key string) (int32, bool) {
	g, ok := m.groupNum[key]
	return g, ok
}

// SeriesOf lists the series that fold into one of the wanted groups, in the order
// in which they became members. For all groups it is the members' own array.
func (m *Members) SeriesOf(want GroupSet) []sequence.SeriesID {
	if want.All {
		return m.Series
	}
	var out []sequence.SeriesID
	for i, id := range m.Series {
		if want.Has(m.GroupOf[m.Slots[i]]) {
			out = append(out, id)
		}
	}
	return out
}

// GroupSet is some groups of a leaf, or all of them.
type GroupSet struct {
	All bool
	Set map[int32]struct{}
}

// EveryGroup is all groups, those to come included.
func EveryGroup() GroupSet { return GroupSet{All: true} }

// Has reports whether a group is in the set.
func (s GroupSet) Has(g int32) bool {
	if s.All {
		return true
	}
	_, ok := s.Set[g]
	return ok
}

// Resolve turns group keys of a dirty window into the leaf's group numbers. A key
// that no member has is left out; the window then has no value for it.
func (m *Members) Resolve(keys map[string]struct{}) GroupSet {
	out := GroupSet{Set: make(map[int32]struct{}, len(keys))}
	for k := range keys {
		if g, ok := m.groupNum[k]; ok {
			out.Set[g] = struct{}{}
		}
	}
	return out
}
