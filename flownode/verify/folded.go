package verify

// Flows of which only some groups keep a row of their own.
// Before: samples are read with the labels of their series.
// After: those of groups that were not chosen have the labels of the one group that stands
// for these, and are told apart by a label that no grouping keeps.

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/read"
	"laminar/sequence"
)

// apart is a label that tells series of one group apart.
const apart = "__laminar_series__"

// fold gives series the labels by which the engine groups them as the flow does. Which
// groups were chosen is stored with the flow's progress.
func (r *verifying) fold(sel *read.Selection) {
	if r.def.MaxGroups == 0 {
		return
	}
	chosen := make(map[string]bool, len(r.flow.Chosen))
	for _, key := range r.flow.Chosen {
		chosen[key] = true
	}
	leaf := &r.def.Expr.Leaves[0]
	sel.Relabel(func(id sequence.SeriesID, lset labels.Labels) labels.Labels {
		if chosen[flowdef.GroupKey(leaf.GroupLabels(lset))] {
			return lset
		}
		b := labels.NewBuilder(lset).Set(apart, strconv.FormatInt(int64(id), 10))
		for _, name := range leaf.Grouping {
			b.Set(name, flowdef.OtherGroups)
		}
		return b.Labels()
	})
}
