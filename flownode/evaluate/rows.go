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

// groupRows is the rows of the groups of a leaf, in the order in which results are
// compared and written.
type groupRows struct {
	progress.RowOrder
	values []float64 // by rank; scratch
	filled []bool    // by rank; scratch
}

// extend adds the groups that are new. Members never lose any, so nothing is removed.
func (x *groupRows) extend(layout *flowdef.Layout, m *keep.Members) {
	x.Extend(len(m.Groups), func(g int) []string { return layout.Row(m.Groups[g].Labels) })
	if n := x.Len(); len(x.values) < n {
		x.values, x.filled = make([]float64, n), make([]bool, n)
	}
}

// of turns values of groups into rows; text is the expression, for errors. Two
// groups can have one row, where static labels replace the labels that tell them
// apart. That is an error when both have a value.
func (x *groupRows) of(layout *flowdef.Layout, text string, m *keep.Members, samples []keep.LeafSample) ([]progress.Row, error) {
	x.extend(layout, m)
	rows := make([]progress.Row, 0, len(samples))
	// A few groups of many are sorted, many are put in their places: both give the
	// order of columns, in which results are compared and written.
	if len(samples) < x.Len()/16 {
		slices.SortFunc(samples, func(a, b keep.LeafSample) int { return int(x.Rank(a.Group)) - int(x.Rank(b.Group)) })
		for i, s := range samples {
			if i > 0 && x.Rank(samples[i-1].Group) == x.Rank(s.Group) {
				return nil, &keep.DuplicateError{Leaf: text, Labels: m.Groups[s.Group].Labels}
			}
			rows = append(rows, progress.Row{Columns: x.Row(x.Rank(s.Group)), Value: s.Value})
		}
		return rows, nil
	}
	clear(x.filled)
	for _, s := range samples {
		rank := x.Rank(s.Group)
		if x.filled[rank] {
			return nil, &keep.DuplicateError{Leaf: text, Labels: m.Groups[s.Group].Labels}
		}
		x.values[rank], x.filled[rank] = s.Value, true
	}
	for rank, filled := range x.filled {
		if filled {
			rows = append(rows, progress.Row{Columns: x.Row(int32(rank)), Value: x.values[rank]})
		}
	}
	return rows, nil
}
