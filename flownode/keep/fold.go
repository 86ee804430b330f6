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
// leaf, because series that are read again must fall into the same groups, and the leaf: one
// over native histograms, or of a batch expression, selects series one by one, and what
// stands above it makes groups of them. It belongs to the flow's goroutine.
//
//	len(order) == len(chosen) <= max
type Fold struct {
	of     *flowdef.Leaf // the aggregation by labels whose groups are bounded
	max    int
	chosen map[string]struct{}
	order  []string // keys of chosen groups, as they were chosen
	told   int      // how many of them Fresh has given
	folds  bool     // some group is among the others
	said   bool     // Fresh has said so
}

// NewFold is for a flow of that aggregation, of which groups have been chosen before; folds
// says that others were met.
func NewFold(of flowdef.Leaf, most int64, chosen []string, folds bool) *Fold {
	f := &Fold{of: &of, max: int(most), chosen: make(map[string]struct{}, len(chosen)), order: slices.Clone(chosen), told: len(chosen), folds: folds, said: folds}
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
func (f *Fold) others() labels.Labels { return f.among(labels.EmptyLabels()) }

// among is the labels of a series with those by which it is in the group of all others.
func (f *Fold) among(lset labels.Labels) labels.Labels {
	b := labels.NewBuilder(lset)
	for _, name := range f.of.Grouping {
		b.Set(name, flowdef.OtherGroups)
	}
	return b.Labels()
}

// seriesLabel tells apart series of the group of all others that differ only in labels by
// which they would be in groups of their own. No grouping keeps it.
const seriesLabel = "__laminar_series__"

// inGroup is the labels of a leaf's group, which has the key, as they are with the bound. It
// is a group of the aggregation itself, or a single series of it; own says that it is in a
// group of its own.
func (f *Fold) inGroup(lset labels.Labels, key string, aggregated bool) (folded labels.Labels, own bool) {
	if aggregated {
		if f.admits(key) {
			return lset, true
		}
		return f.others(), false
	}
	if f.admits(flowdef.GroupKey(f.of.GroupLabels(lset))) {
		return lset, true
	}
	return labels.NewBuilder(f.among(lset)).Set(seriesLabel, key).Labels(), false
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
