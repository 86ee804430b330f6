package keep

// From series to slots and groups.
// Before: a series comes from a snapshot, with the labels that Members.Labels names.
// After: it has a slot in every leaf that selects it, for as long as the leaf has
// these members.

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Members is the series that a leaf selects, and how they fall into slots and
// groups. Matchers and grouping labels are evaluated here, once per series,
// never per sample.
//
// A slot is what pane state is kept for: one per series, or one per group
// where the function merges under the aggregation (function.F3).
//
//	M1  len(GroupOf) is the number of slots; GroupOf[s] is the group of slot s
//	M2  Series[i] folds into Slots[i]; Index holds the same
//	M3  slots and groups are only ever added, so they keep their numbers
//
// M3 lets pane state and results name groups by number: a new series changes none
// of the numbers in use. Series that get no samples any more stay members, since an
// old window may still be computed again.
//
// Fields are for reading; only Add changes them.
type Members struct {
	Def     *flowdef.Leaf
	ByGroup bool // a slot is a group, else a series

	Series  []sequence.SeriesID // in the order in which they came
	Slots   []int32             // by place in Series
	Index   SlotIndex
	Metrics []sequence.MetricID // ascending

	// Series of different metrics can be told apart by their name alone, which
	// most functions drop: then two of them with a value in one window are an
	// error, as in Prometheus. setOf is, by slot, the label set without name;
	// nil where that cannot happen.
	setOf  []int32
	setNum map[string]int32 // key of the label set -> its number

	GroupOf  []int32 // by slot
	Groups   []LabelGroup
	groupNum map[string]int32 // group key -> group

	scratch SlotValues // of LeafVector

	// Series that share a label set come in stretches: the database sends each
	// set once, so a set at the same address is the same set.
	lastSet   *series.Label // of the series that was looked at last; nil for none
	lastGroup int32         // its group, or noGroup when the leaf does not select it
}

// noGroup says that a leaf does not select a series.
const noGroup int32 = -1

// LabelGroup is one group of a leaf: the series that its aggregation joins, or one
// series where there is none. A fence group is something else: flows that share
// rounds.
type LabelGroup struct {
	Labels labels.Labels
	Key    string  // flowdef.GroupKey of labels
	slots  []int32 // ascending
}

// NewMembers is for a leaf, without a series yet.
func NewMembers(leaf *flowdef.Leaf) *Members {
	m := &Members{Def: leaf, ByGroup: leaf.Func.Merges(leaf.Agg), groupNum: map[string]int32{}}
	if names := leaf.Names(); leaf.Agg != nil && !leaf.KeepsName() && len(names) != 1 {
		m.setNum, m.ByGroup = map[string]int32{}, false
	}
	return m
}

// Labels lists the labels that members depend on; nil for all. Others need not be
// read: with millions of series that is most of what a start would send.
func (m *Members) Labels() []string {
	if m.setNum != nil {
		return nil
	}
	return m.Def.Labels()
}

// Add makes a series a member if the leaf selects it and it is not a member yet. It
// reports whether it did. The series' labels may be shared with others, and must
// not change afterwards: a set is recognized by its address.
func (m *Members) Add(s *series.Series) bool {
	if m.setNum == nil && len(s.Labels) > 0 && &s.Labels[0] == m.lastSet {
		return m.lastGroup != noGroup && m.addTo(m.lastGroup, s, labels.EmptyLabels())
	}
	// Matchers see every label that members depend on; others may be missing.
	lset, g := toLabels(s.Labels), noGroup
	if m.Def.Matches(lset.Get) {
		g = m.group(m.Def.GroupLabels(lset))
	}
	if m.lastSet, m.lastGroup = nil, g; len(s.Labels) > 0 {
		m.lastSet = &s.Labels[0]
	}
	return g != noGroup && m.addTo(g, s, lset)
}

// addTo adds a series to a group if it is not a member yet. lset is needed only
// where two series can differ in nothing but their name (setNum); elsewhere it may
// be empty.
func (m *Members) addTo(g int32, s *series.Series, lset labels.Labels) bool {
	if m.Index.Get(s.ID) != NoSlot {
		return false
	}
	// A slot by group is made with the group's first series; each series gets one of
	// its own otherwise.
	var slot int32
	if m.ByGroup && len(m.Groups[g].slots) > 0 {
		slot = m.Groups[g].slots[0]
	} else {
		slot = int32(len(m.GroupOf))
		m.GroupOf = append(m.GroupOf, g)
		m.Groups[g].slots = append(m.Groups[g].slots, slot)
		if m.setNum != nil {
			m.setOf = append(m.setOf, number(m.setNum, flowdef.GroupKey(lset.DropReserved(isMetricName))))
		}
	}
	m.Series = append(m.Series, s.ID)
	m.Slots = append(m.Slots, slot)
	m.Index.Set(s.ID, slot)
	if at, found := slices.BinarySearch(m.Metrics, s.Metric); !found {
		m.Metrics = slices.Insert(m.Metrics, at, s.Metric)
	}
	return true
}

func isMetricName(name string) bool { return name == series.MetricName }

// number returns the key's number, giving it the next one if it has none.
func number(of map[string]int32, key string) int32 {
	n, ok := of[key]
	if !ok {
		n = int32(len(of))
		of[key] = n
	}
	return n
}

// group returns the number of the group with these labels, making it if needed.
func (m *Members) group(lset labels.Labels) int32 {
	key := flowdef.GroupKey(lset)
	g, ok := m.groupNum[key]
	if !ok {
		g = int32(len(m.Groups))
		m.Groups = append(m.Groups, LabelGroup{Labels: lset, Key: key})
		m.groupNum[key] = g
	}
	return g
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

// Selects reports whether samples of the metric can be samples of members.
func (m *Members) Selects(metric sequence.MetricID) bool {
	_, found := slices.BinarySearch(m.Metrics, metric)
	return found
}

func toLabels(in []series.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(in))
	for _, l := range in {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
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
