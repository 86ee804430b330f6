package resulttable

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/result"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// GroupsOf is the rows of a table whose windows end in the span, by group. One statement
// row for each group, and not for each row, is several times faster. Only groups that have
// these values in these label columns are read. It is false for a table with histograms or
// with the numbers of rules: these are for Read. More rows than most are
// progress.ErrTooManyRows; other errors are the driver's.
func GroupsOf(ctx context.Context, t *Table, q pg.Querier, ends sequence.Span, only map[string]string, most int) ([]progress.Group, bool, error) {
	if t.number > 0 || t.in.histograms {
		return nil, false, nil
	}
	args := append([]any{time.UnixMilli(ends.After).UTC(), time.UnixMilli(ends.UpTo).UTC(), int64(most) + 1}, t.static...)
	in := t.in
	if t.perLabel && len(only) > 0 {
		in.static = slices.Clone(in.static)
		for i, column := range t.columns {
			if value, wanted := only[column]; wanted {
				if !pg.Storable(value) {
					return nil, true, nil // no row has it
				}
				in.static, args = append(in.static, in.labels[i]), append(args, value)
			}
		}
	}
	rows, err := q.Query(ctx, in.expand(queries.ResultGroups), args...)
	if err != nil {
		return nil, false, err
	}
	n := 0
	groups, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g progress.Group, err error) {
		var times []time.Time
		if err := row.Scan(&g.Columns, &times, &g.Values); err != nil {
			return g, err
		}
		if n += len(times); n > most {
			return g, progress.ErrTooManyRows
		}
		if !t.perLabel {
			g.Columns[0] = flowdef.GroupKey(flowdef.GroupKeyLabels(g.Columns[0])) // as Read has it
		}
		g.Ends = make([]sequence.Time, len(times))
		for i, at := range times {
			g.Ends[i] = at.UnixMilli()
		}
		if !slices.IsSorted(g.Ends) {
			sort.Sort((*byEnd)(&g))
		}
		return g, nil
	})
	return groups, err == nil, err
}

// byEnd sorts the rows of a group by the ends of their windows.
type byEnd progress.Group

func (g *byEnd) Len() int           { return len(g.Ends) }
func (g *byEnd) Less(i, j int) bool { return g.Ends[i] < g.Ends[j] }
func (g *byEnd) Swap(i, j int) {
	g.Ends[i], g.Ends[j] = g.Ends[j], g.Ends[i]
	g.Values[i], g.Values[j] = g.Values[j], g.Values[i]
}
