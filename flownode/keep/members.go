package keep

// From series to slots and groups.
// Before: a series comes from a snapshot, with the labels that Members.Labels names.
// After: it has a slot in every leaf that selects it, for as long as the leaf has
// these members.

import (
	"github.com/prometheus/prometheus/model/labels"

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

// Sample gives up to n members, at even distances.
func (m *Members) Sample(n int) []sequence.SeriesID {
	n = min(n, len(m.Series))
	out := make([]sequence.SeriesID, 0, n)
	for i := range n {
		out = append(out, m.Series[i*len(m.Series)/n])
	}
	return out
}
