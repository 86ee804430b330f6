package evaluate

// The rows of flows that are one leaf and nothing else.
// Before: a window has values by group, groups ascending.
// After: the same as rows, ascending by their label columns.

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
)

// groupRows is the label columns of the groups of a leaf, and their order as
// rows, for flows that are one leaf and nothing else. They are worked out once
// for a group and shared by all windows; with many groups that is most of the cost
// of a window. It is a cache: with other members it must be made anew.
//
// columns[rank[g]] are the columns of group g, and columns ascends without
// repeats. So len(columns) <= len(rank), and it is less where groups share a row.
type groupRows struct {
	rank    []int32    // by group: its place among the rows
	columns [][]string // by rank, ascending

	values []float64 // by rank; scratch
	filled []bool    // by rank; scratch
}

// extend adds the groups that are new. Members never lose any, so nothing is
// removed. All groups are sorted again: a new group may come between old ones, and
// ranks are places.
func (x *groupRows) extend(layout *flowdef.Layout, m *keep.Members) {
	known := len(x.rank)
	if known == len(m.Groups) {
		return
	}
	byGroup := make([][]string, len(m.Groups))
	order := make([]int32, len(m.Groups))
	for g := range m.Groups {
		order[g] = int32(g)
		if g < known {
			byGroup[g] = x.columns[x.rank[g]]
		} else {
			byGroup[g] = layout.Row(m.Groups[g].Labels)
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return slices.Compare(byGroup[a], byGroup[b]) })
	x.rank, x.columns = make([]int32, len(m.Groups)), x.columns[:0:0]
	for _, g := range order {
		if n := len(x.columns); n == 0 || slices.Compare(x.columns[n-1], byGroup[g]) != 0 {
			x.columns = append(x.columns, byGroup[g])
		}
		x.rank[g] = int32(len(x.columns) - 1)
	}
	x.values, x.filled = make([]float64, len(x.columns)), make([]bool, len(x.columns))
}

// of turns values of groups into rows; text is the expression, for errors. Two
// groups can have one row, where static labels replace the labels that tell them
// apart. That is an error when both have a value.
func (x *groupRows) of(layout *flowdef.Layout, text string, m *keep.Members, samples []keep.LeafSample) ([]progress.Row, error) {
	x.extend(layout, m)
	rows := make([]progress.Row, 0, len(samples))
	// A few groups of many are sorted, many are put in their places: both give the
	// order of columns, in which results are compared and written.
	if len(samples) < len(x.columns)/16 {
		slices.SortFunc(samples, func(a, b keep.LeafSample) int { return int(x.rank[a.Group]) - int(x.rank[b.Group]) })
		for i, s := range samples {
			if i > 0 && x.rank[samples[i-1].Group] == x.rank[s.Group] {
				return nil, &keep.DuplicateError{Leaf: text, Labels: m.Groups[s.Group].Labels}
			}
			rows = append(rows, progress.Row{Columns: x.columns[x.rank[s.Group]], Value: s.Value})
		}
		return rows, nil
	}
	clear(x.filled)
	for _, s := range samples {
		rank := x.rank[s.Group]
		if x.filled[rank] {
			return nil, &keep.DuplicateError{Leaf: text, Labels: m.Groups[s.Group].Labels}
		}
		x.values[rank], x.filled[rank] = s.Value, true
	}
	for rank, filled := range x.filled {
		if filled {
			rows = append(rows, progress.Row{Columns: x.columns[rank], Value: x.values[rank]})
		}
	}
	return rows, nil
}
