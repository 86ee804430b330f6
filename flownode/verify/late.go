package verify

// Windows that lack late samples because their flow's definition says so.
// Before: what they lack is noted, by window and group.
// After: a cell of such a group is counted as one that lacks samples, not as a fault.

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/sideoutput"
	"laminar/sequence"
)

// leaves counts what a window lacks, and takes out of its differences those that this
// accounts for.
func (l lateWindows) leaves(r *verifying, in *reading, end sequence.Time, diffs []Difference) []Difference {
	lacks := l[end]
	if len(lacks) == 0 {
		return diffs
	}
	r.report.LateWindows++
	all, groups := false, map[string]progress.LateWindow{}
	for _, w := range lacks {
		r.report.LateSamples += w.Samples
		if all = all || w.Group == progress.AllGroups; !all {
			groups[progress.RowKey(r.layout.Row(flowdef.GroupKeyLabels(w.Group)))] = w
		}
	}
	return slices.DeleteFunc(diffs, func(d Difference) bool {
		key := progress.RowKey(d.Columns)
		w, ofGroup := groups[key]
		late := d.End == end && d.Kind != CellShifted && (all || ofGroup)
		if late && w.Row != nil {
			// What the late samples add is known: with it the row is what all samples give.
			with := *w.Row
			if join, _ := sideoutput.Join(&r.def); d.Kind == CellDiffers {
				with.Value = join.Of(d.Stored.Value, w.Row.Value)
			}
			late = d.Kind != CellExtra && r.sameResult(in, end, key, with, d.Computed)
		}
		if late {
			r.report.Late++
		}
		return late
	})
}
