package keep

// Groups beyond a limit, as one.
// Before: the groups that keep a row of their own are known, in the order in which they
// were chosen; the first reading of a flow's series has none.
// After: so long as there is room, the groups of the earliest series are chosen, too. A
// group that is chosen stays so, and what is not chosen is in the group of all others.

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/sequence/series"
)

// Fold bounds how many groups of one leaf are told apart. It outlives the members of the
// leaf, because series that are read again must fall into the same groups. It belongs to
// the flow's goroutine.
//
//	len(order) == len(chosen) <= max
type Fold struct {
	max    int
	chosen map[string]struct{}
	order  []string // keys of chosen groups, as they were chosen
	told   int      // how many of them Fresh has given
	folds  bool     // some group is among the others
	said   bool     // Fresh has said so
}

// NewFold is for a flow of which groups have been chosen before; folds says that others
// were met.
func NewFold(most int64, chosen []string, folds bool) *Fold {
	f := &Fold{max: int(most), chosen: make(map[string]struct{}, len(chosen)), order: slices.Clone(chosen), told: len(chosen), folds: folds, said: folds}
	for _, key := range chosen {
		f.chosen[key] = struct{}{}
	}
	return f
}

// full reports whether no further group is chosen.
func (f *Fold) full() bool { return len(f.order) >= f.max }

// admits reports whether the group keeps a row, and chooses it where there is room.
func (f *Fold) admits(key string) bool {
	if _, ok := f.chosen[key]; ok {
		return true
	}
	if f.full() {
		f.folds = true
		return false
	}
	f.chosen[key] = struct{}{}
	f.order = append(f.order, key)
	return true
}

// Fresh is the groups that have been chosen since it was asked last, the place of the
// first among all, and whether some group is among the others; changed says that any of
// it is new.
func (f *Fold) Fresh() (first int, keys []string, folds, changed bool) {
	first, keys = f.told, f.order[f.told:]
	changed = len(keys) > 0 || f.folds != f.said
	f.told, f.said = len(f.order), f.folds
	return first, slices.Clone(keys), f.folds, changed
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
