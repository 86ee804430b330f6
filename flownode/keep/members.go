package keep

// From series to slots and groups.
// Before: a series comes from a snapshot, with the labels that Members.Labels names.
// After: it has a slot in every leaf that selects it, for as long as the leaf has
// these members.

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/flowdef"
	"laminar/flownode/function"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Selection is the series that matchers select, each with its slot.
type Selection struct {
	Series  []sequence.SeriesID // in the order in which they came
	Slots   []int32             // by place in Series
	Index   SlotIndex
	Metrics []sequence.MetricID // ascending

	// Series that share a label set come in stretches: the database sends each set
	// once, so a set at the same address is the same set.
	lastSet  *series.Label // of the series that was looked at last; nil for none
	selected bool          // whether it is selected

	scratch SlotValues // of LeafVector: one window of one leaf is computed at a time
}

// add gives a series a slot.
func (x *Selection) add(s *series.Series, slot int32) {
	x.Series, x.Slots = append(x.Series, s.ID), append(x.Slots, slot)
	x.Index.Set(s.ID, slot)
	if at, found := slices.BinarySearch(x.Metrics, s.Metric); !found {
		x.Metrics = slices.Insert(x.Metrics, at, s.Metric)
	}
}

// ReadsResults reports whether series of results of flows are selected, which no
// database can aggregate.
func (x *Selection) ReadsResults() bool { return len(x.Metrics) > 0 && x.Metrics[0] < 0 }

// Selects reports whether samples of the metric can be samples of selected series.
func (x *Selection) Selects(metric sequence.MetricID) bool {
	_, found := slices.BinarySearch(x.Metrics, metric)
	return found
}

// Members is the series that a leaf selects, and how they fall into slots and
// groups. Matchers and grouping labels are evaluated here, once per series,
// never per sample.
//
// A slot is what pane state is kept for: one per series, or one per group
// where the function merges under the aggregation (function.F3). Where a leaf counts
// groups of series by what was seen of them, a slot is one of these.
//
//	M1  len(GroupOf) is the number of slots; GroupOf[s] is the group of slot s
//	M2  Series[i] folds into Slots[i]; Index holds the same
//	M3  slots and groups are only ever added, so they keep their numbers
//
// M3 lets pane state and results name groups by number: a new series changes none
// of the numbers in use. Series that get no samples any more stay members, since an
// old window may still be computed again. When too many of them have been removed from
// the database, the leaf gets new members.
//
// Fields are for reading; only Add changes them.
type Members struct {
	*Selection // which leaves with one ShareKey have in common
	*Grouping  // which leaves of one selection and with one grouping have in common
	Def        *flowdef.Leaf
	ByGroup    bool // a slot is a group, or a group of series that is counted; else a series
}

// Grouping is how slots of a selection fall into groups.
type Grouping struct {
	// Series of different metrics can be told apart by their name alone, which
	// most functions drop: then two of them with a value in one window are an
	// error, as in Prometheus. setOf is, by slot, the label set without name;
	// nil where that cannot happen.
	setOf  []int32
	setNum map[string]int32 // key of the label set -> its number

	// Of a leaf that counts groups of series (flowdef.Leaf.CountsGroups): by slot, the
	// number of the group that the series is in, and whether it was counted: in which
	// window last, by a number of the window.
	perOf      []int32
	perNum     map[string]int32 // the values of the labels -> their number
	perCounted []uint32         // by number
	perWindow  uint32

	GroupOf  []int32 // by slot; noGroup for a slot that another leaf has added and this one has not
	Groups   []LabelGroup
	groupNum map[string]int32 // group key -> group
	crossed  bool             // some slot is not the group of its own number
	fold     *Fold            // bounds the groups; nil for no bound

	// apart says that series which relabelling makes equal are groups of their own all the
	// same: they are the values of an instant selector, and what is made of two equal ones is
	// for the engine to say.
	apart bool

	lastSet   *series.Label // as in Selection
	lastGroup int32         // the group of the series that was looked at last

	byValues map[string]int32 // during Group: the groups that were met, by values
	values   []byte           // scratch
}

// noGroup stands for no group.
const noGroup int32 = -1

// LabelGroup is one group of a leaf: the series that its aggregation joins, or one
// series where there is none. A fence group is something else: flows that share
// rounds.
type LabelGroup struct {
	Labels labels.Labels
	Key    string // flowdef.GroupKey of labels

	// Seen is what an expression that is evaluated whole sees of the series, nil where it is
	// not relabelled.
	Seen *labels.Labels

	slots []int32 // ascending
}

// NewMembers is for a leaf, without a series yet.
func NewMembers(leaf *flowdef.Leaf) *Members {
	m := &Members{Selection: &Selection{}, Grouping: &Grouping{groupNum: map[string]int32{}}, Def: leaf, ByGroup: leaf.Func.Merges(leaf.Agg)}
	if names := leaf.Names(); leaf.Agg != nil && !leaf.KeepsName() && len(names) != 1 {
		m.setNum, m.ByGroup = map[string]int32{}, false
	}
	if leaf.CountsGroups {
		m.perNum = map[string]int32{}
		m.ByGroup = leaf.Func == function.Seen && m.setNum == nil
	}
	if leaf.Relabel != nil && (leaf.Func == nil || leaf.Func.Of == "") {
		// Relabelling can make series equal. A function over a range is not applied to two
		// of them, as in Prometheus; an instant selector is.
		m.ByGroup, m.apart = false, leaf.Apart()
		if leaf.Agg != nil && leaf.Func != function.Instant {
			m.setNum = map[string]int32{}
		}
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
// reports whether it did.
func (m *Members) Add(s *series.Series) bool {
	one, before := []series.Series{*s}, len(m.Series)
	m.Select(one)
	m.Group(one)
	return len(m.Series) > before
}

// Select gives slots to those series of the list that the leaf selects and that have
// none. Where a slot is a group it leaves that to Group. Of members that share a
// selection one does it for all, and before any of them groups. The series' labels
// may be shared with others, and must not change afterwards: a set is recognized by
// its address.
func (m *Members) Select(list []series.Series) {
	if m.ByGroup {
		return
	}
	for i := range list {
		s := &list[i]
		if m.passes(s) {
			continue
		}
		if len(s.Labels) == 0 || &s.Labels[0] != m.Selection.lastSet {
			m.selected = m.Def.Matches(valueIn(s.Labels)) && (m.Def.Relabel == nil || !m.Def.LeavesOut(toLabels(s.Labels)))
			if m.Selection.lastSet = nil; len(s.Labels) > 0 {
				m.Selection.lastSet = &s.Labels[0]
			}
		}
		if m.selected && m.Index.Get(s.ID) == NoSlot {
			m.add(s, int32(len(m.Series)))
		}
	}
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

// valuesOf spells the values of the labels that a group is made of, and reports whether
// it is made of known ones. Most series of a list belong to a group that has been met
// there, and are put into it without a label set of their own being made.
func (m *Members) valuesOf(get func(name string) string) bool {
	if m.Def.Agg == nil || m.Def.Without || m.setNum != nil || m.Def.Relabel != nil {
		return false
	}
	m.spell(m.Def.Grouping, get)
	return true
}

// spell makes values the values of some labels, each with its length before it.
func (m *Members) spell(names []string, get func(name string) string) {
	m.values = m.values[:0]
	for _, name := range names {
		v := ""
		if m.Def.KeepsName() || !schema.IsMetadataLabel(name) {
			v = get(name)
		}
		m.values = append(binary.AppendUvarint(m.values, uint64(len(v))), v...)
	}
}

// valueIn looks a label up, "" where there is none.
func valueIn(in []series.Label) func(name string) string {
	return func(name string) string {
		for i := range in {
			if in[i].Name == name {
				return in[i].Value
			}
		}
		return ""
	}
}

// seenIn looks a label up as the expression sees it.
func (m *Members) seenIn(in []series.Label) func(name string) string {
	if m.Def.Relabel == nil {
		return valueIn(in)
	}
	return m.Def.Seen(toLabels(in)).Get
}

// passes reports whether the series is not looked at: results of flows are selected by
// name only, and raw samples not where only results are.
func (m *Members) passes(s *series.Series) bool {
	if s.Metric < 0 {
		return !m.Def.NamesMetric()
	}
	return m.Def.Results
}

// told is the labels by which series of one leaf can be told apart beneath its
// aggregation.
func (m *Members) told(lset labels.Labels) labels.Labels {
	switch lset = m.Def.Seen(lset); {
	case m.Def.KeepsName():
		return lset
	case m.Def.Relabel != nil:
		return lset.DropReserved(schema.IsMetadataLabel)
	default:
		return lset.DropReserved(isMetricName)
	}
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

// GroupOfKey returns the number of the group with a key, if a member has it.
func (m *Members) GroupOfKey(key string) (int32, bool) {
	g, ok := m.groupNum[key]
	return g, ok
}

// FoldedKey is the key of the group that new series of the group with a key come into: its
// own, or where no further group is chosen that of all others.
func (m *Members) FoldedKey(key string) string {
	if m.fold == nil || !m.fold.full() {
		return key
	}
	if _, chosen := m.fold.chosen[key]; chosen {
		return key
	}
	return flowdef.GroupKey(others(m.Def))
}

// group returns the number of the group with these labels, making it if needed.
func (m *Members) group(lset labels.Labels) int32 {
	key := flowdef.GroupKey(lset)
	g, ok := m.groupNum[key]
	if !ok && m.fold != nil && !m.fold.admits(key) {
		lset = others(m.Def)
		key = flowdef.GroupKey(lset)
		g, ok = m.groupNum[key]
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

// others is the labels of the group of all groups that are not chosen.
func others(def *flowdef.Leaf) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, name := range def.Grouping {
		b.Set(name, flowdef.OtherGroups)
	}
	return b.Labels()
}

// byCreation is the series in the order in which they were created: that is which groups
// are chosen by.
func byCreation(list []series.Series) []series.Series {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b series.Series) int {
		return cmp.Compare(max(a.ID, -a.ID), max(b.ID, -b.ID)) // those of results are below zero
	})
	return list
}

// Sample gives up to n members, at even distances.
func (m *Members) Sample(n int) []sequence.SeriesID {
	n = min(n, len(m.Series))
	out := make([]sequence.SeriesID, 0, n)
	for i := range n {
		out = append(out, m.Series[i*len(m.Series)/n])
	}
	return out
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
