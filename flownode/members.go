package flownode

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/sequence/segment"
)

// members is the series that a leaf selects, and how they fall into slots and
// groups. Matchers and grouping labels are evaluated here, once per series,
// never per sample.
//
// A slot is what pane state is kept for: one per series, or one per group
// where the function and the aggregation commute (mergesByGroup).
//
//	M1  len(groupOf) is the number of slots; groupOf[s] is the group of slot s
//	M2  series[i] folds into slots[i]; index holds the same
//	M3  groups only grow, so slots and groups keep their numbers
type members struct {
	leaf    *flowdef.Leaf
	byGroup bool

	series  []segment.SeriesID
	slots   []int32
	index   slotIndex
	metrics []segment.MetricID // ascending

	// Series of different metrics can be told apart by their name alone, which
	// most functions drop: then two of them with a value in one window are an
	// error, as in Prometheus. setOf is, by slot, the label set without name;
	// nil where that cannot happen.
	setOf  []int32
	setNum map[string]int32 // key of the label set -> its number

	groupOf  []int32
	groups   []memberGroup
	groupNum map[string]int32 // group key -> group

	scratch slotValues // of leafVector

	// Series that share a label set come in stretches.
	lastSet   *segment.Label // of the series that was looked at last; nil for none
	lastGroup int32          // its group, or noGroup when the leaf does not select it
}

// noGroup says that a leaf does not select a series.
const noGroup int32 = -1

// memberGroup is one group of a leaf.
type memberGroup struct {
	labels labels.Labels
	key    string  // flowdef.GroupKey of labels
	slots  []int32 // ascending
}

func newMembers(leaf *flowdef.Leaf) *members {
	m := &members{leaf: leaf, byGroup: mergesByGroup(leaf), groupNum: map[string]int32{}}
	if names := leaf.Names(); leaf.Agg != flowdef.AggNone && !leaf.Func.KeepsName() && len(names) != 1 {
		m.setNum, m.byGroup = map[string]int32{}, false
	}
	return m
}

// mergesByGroup reports whether the partials of all series of a group can be
// merged into one before the window is finished, so that state is kept per
// group: f over the union of the series' samples equals the aggregation of f
// over each.
func mergesByGroup(l *flowdef.Leaf) bool {
	switch l.Agg {
	case flowdef.AggSum:
		return l.Func == flowdef.FuncSumOverTime || l.Func == flowdef.FuncCountOverTime
	case flowdef.AggMin:
		return l.Func == flowdef.FuncMinOverTime
	case flowdef.AggMax:
		return l.Func == flowdef.FuncMaxOverTime
	default:
		return false
	}
}

// labels lists the labels that members depend on; nil for all.
func (m *members) labels() []string {
	if m.setNum != nil {
		return nil
	}
	return m.leaf.Labels()
}

// add takes a series in if the leaf selects it and it is not a member yet.
func (m *members) add(s *segment.Series) bool {
	if m.setNum == nil && len(s.Labels) > 0 && &s.Labels[0] == m.lastSet {
		return m.lastGroup != noGroup && m.addTo(m.lastGroup, s, labels.EmptyLabels())
	}
	lset, g := toLabels(s.Labels), noGroup
	if m.leaf.Matches(lset.Get) {
		g = m.group(m.leaf.GroupLabels(lset))
	}
	if m.lastSet, m.lastGroup = nil, g; len(s.Labels) > 0 {
		m.lastSet = &s.Labels[0]
	}
	return g != noGroup && m.addTo(g, s, lset)
}

// addTo takes a series into a group if it is not a member yet. Its labels are
// needed where series can have one label set but for their names.
func (m *members) addTo(g int32, s *segment.Series, lset labels.Labels) bool {
	if m.index.get(s.ID) != noSlot {
		return false
	}
	var slot int32
	if m.byGroup && len(m.groups[g].slots) > 0 {
		slot = m.groups[g].slots[0]
	} else {
		slot = int32(len(m.groupOf))
		m.groupOf = append(m.groupOf, g)
		m.groups[g].slots = append(m.groups[g].slots, slot)
		if m.setNum != nil {
			m.setOf = append(m.setOf, number(m.setNum, flowdef.GroupKey(lset.DropReserved(isMetricName))))
		}
	}
	m.series = append(m.series, s.ID)
	m.slots = append(m.slots, slot)
	m.index.set(s.ID, slot)
	if at, found := slices.BinarySearch(m.metrics, s.Metric); !found {
		m.metrics = slices.Insert(m.metrics, at, s.Metric)
	}
	return true
}

func isMetricName(name string) bool { return name == segment.MetricName }

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
func (m *members) group(lset labels.Labels) int32 {
	key := flowdef.GroupKey(lset)
	g, ok := m.groupNum[key]
	if !ok {
		g = int32(len(m.groups))
		m.groups = append(m.groups, memberGroup{labels: lset, key: key})
		m.groupNum[key] = g
	}
	return g
}

// seriesOf lists the series that fold into one of the wanted groups.
func (m *members) seriesOf(want groupSet) []segment.SeriesID {
	if want.all {
		return m.series
	}
	var out []segment.SeriesID
	for i, id := range m.series {
		if want.has(m.groupOf[m.slots[i]]) {
			out = append(out, id)
		}
	}
	return out
}

// selects reports whether samples of the metric can be samples of members.
func (m *members) selects(metric segment.MetricID) bool {
	_, found := slices.BinarySearch(m.metrics, metric)
	return found
}

func toLabels(in []segment.Label) labels.Labels {
	b := labels.NewScratchBuilder(len(in))
	for _, l := range in {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}

// groupSet is some groups of a leaf, or all of them.
type groupSet struct {
	all bool
	set map[int32]struct{}
}

func allGroups() groupSet { return groupSet{all: true} }

func (s groupSet) has(g int32) bool {
	if s.all {
		return true
	}
	_, ok := s.set[g]
	return ok
}

// resolve turns group keys of a dirty window into the leaf's group numbers.
// Keys without a member any more select nothing.
func (m *members) resolve(keys map[string]struct{}) groupSet {
	out := groupSet{set: make(map[int32]struct{}, len(keys))}
	for k := range keys {
		if g, ok := m.groupNum[k]; ok {
			out.set[g] = struct{}{}
		}
	}
	return out
}
