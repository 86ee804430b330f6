package progress

import "slices"

// RowOrder is the label columns of the rows of groups, and their order, in which results
// are compared and written: PostgreSQL appends to a primary key that gets its rows in
// order. Groups are numbered from 0, and there are ever more of them. The zero RowOrder
// has none. It belongs to one goroutine.
//
// columns[rank[g]] are the columns of group g, and columns ascends without repeats. So
// len(columns) <= len(rank), and it is less where groups share a row.
type RowOrder struct {
	rank    []int32    // by group: its place among the rows
	columns [][]string // by rank, ascending
}

// Extend adds the groups that are new, up to the number of groups; of gives the columns of
// one.
func (o *RowOrder) Extend(groups int, of func(group int) []string) {
	known := len(o.rank)
	if known == groups {
		return
	}
	type fresh struct {
		columns []string
		group   int
	}
	added := make([]fresh, 0, groups-known)
	for g := known; g < groups; g++ {
		added = append(added, fresh{of(g), g})
	}
	slices.SortFunc(added, func(a, b fresh) int { return slices.Compare(a.columns, b.columns) })
	// The new rows are looked for among the old ones, so that a few new ones of many cost
	// few comparisons.
	var (
		old    = o.columns
		merged = make([][]string, 0, len(old)+len(added))
		moved  = make([]int32, len(old)) // by old rank: the new one
		next   = 0                       // of the old rows
		rank   = slices.Grow(o.rank, groups-known)[:groups]
	)
	take := func(upTo int) {
		for ; next < upTo; next++ {
			moved[next] = int32(len(merged))
			merged = append(merged, old[next])
		}
	}
	for _, f := range added {
		i, there := slices.BinarySearchFunc(old[next:], f.columns, slices.Compare[[]string])
		take(next + i)
		switch n := len(merged); {
		case n > 0 && slices.Equal(merged[n-1], f.columns): // another new group's
			rank[f.group] = int32(n - 1)
		case there:
			rank[f.group] = int32(n)
			take(next + 1)
		default:
			rank[f.group] = int32(n)
			merged = append(merged, f.columns)
		}
	}
	take(len(old))
	for g := range known {
		rank[g] = moved[rank[g]]
	}
	o.rank, o.columns = rank, merged
}

// Groups is how many groups there are.
func (o *RowOrder) Groups() int { return len(o.rank) }

// Len is how many rows there are.
func (o *RowOrder) Len() int { return len(o.columns) }

// Rank is the place of a group's row among all rows.
func (o *RowOrder) Rank(group int32) int32 { return o.rank[group] }

// Row is the label columns of the row in a place.
func (o *RowOrder) Row(rank int32) []string { return o.columns[rank] }
