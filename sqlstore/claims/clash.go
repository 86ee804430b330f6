package claims

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// Rows that do not stand. Where rules of one table give the same window and labels, the
// row of the smallest number stands, as in Prometheus the one of the rule that comes
// first does; the others are kept beside the table, for when that one is no more.

// clash is a row that does not stand in the table, as another rule's does. Times are ms.
type clash struct {
	resulttable.Placed
	flow    progress.FlowID
	key     string // the columns, as resulttable.KeyOf spells them
	stands  progress.FlowID
	differs bool // its result is not that of the row that stands
}

// always is all window ends.
var always = sequence.Span{After: math.MinInt64, UpTo: math.MaxInt64}

// readClashes lists the rows of flows of the table that do not stand, of windows that end
// in the span, and where ends is not nil, then. Rows of one window and label set follow each other, by number.
func readClashes(ctx context.Context, q pg.Querier, table *resulttable.Shared, flows []int32, ends []int64, in sequence.Span) ([]clash, error) {
	rows, err := q.Query(ctx, queries.ClashList, flows, ends, in.After, in.UpTo)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c clash, err error) {
		var result resulttable.Result
		fields := append([]any{(*int32)(&c.flow), &c.Rule, &c.End, &c.key, &c.Start, (*int32)(&c.stands), &c.differs}, result.Fields()...)
		if err = row.Scan(fields...); err != nil {
			return c, err
		}
		columns, err := resulttable.ColumnsOf(table.Table, c.key)
		if err != nil {
			return c, err
		}
		c.Row = result.Row(columns)
		c.key, err = resulttable.KeyOf(table.Table, c.Columns) // as we spell it, and not as PostgreSQL does
		return c, err
	})
}

// forgetClashes removes what is kept of the flows for these windows and labels.
func forgetClashes(ctx context.Context, q pg.Querier, flows []int32, of []clash) error {
	if len(of) == 0 {
		return nil
	}
	ends, keys := make([]int64, len(of)), make([]string, len(of))
	for i, c := range of {
		ends[i], keys[i] = c.End, c.key
	}
	_, err := q.Exec(ctx, queries.ClashRemove, flows, ends, keys)
	return err
}

// noteClashes keeps rows that do not stand.
func noteClashes(ctx context.Context, q pg.Querier, rows []clash) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	flows, stands := make([]int32, n), make([]int32, n)
	ends, starts := make([]int64, n), make([]int64, n)
	keys, differs, placed := make([]string, n), make([]bool, n), make([]resulttable.Placed, n)
	for i, c := range rows {
		flows[i], stands[i], ends[i], starts[i] = int32(c.flow), int32(c.stands), c.End, c.Start
		keys[i], differs[i], placed[i] = c.key, c.differs, c.Placed
	}
	values, histograms := resulttable.ResultArgs(placed)
	_, err := q.Exec(ctx, queries.ClashAdd, flows, ends, keys, starts, values, stands, differs, histograms)
	return err
}

// Inherit puts rows that did not stand in the places that are free now, because the rows
// of rules that are gone were deleted. flows are those whose rules the table still has. It
// returns the rows that stand now.
func Inherit(ctx context.Context, q pg.Querier, table *resulttable.Shared, flows []int32) ([]Touched, error) {
	all, err := readClashes(ctx, q, table, flows, nil, always)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	// Of each window and label set the first, which has the smallest number.
	var (
		heirs []resulttable.Placed
		first []int // which of all it is
	)
	for i, c := range all {
		if i == 0 || c.End != all[i-1].End || c.key != all[i-1].key {
			heirs, first = append(heirs, c.Placed), append(first, i)
		}
	}
	found, err := table.Inherit(ctx, q, heirs)
	if err != nil {
		return nil, err
	}
	// Those behind an heir do not stand because of it now.
	var (
		gone, kept []clash
		stand      []Touched
	)
	for _, h := range found {
		heir := all[first[h]]
		gone, stand = append(gone, heir), append(stand, Touched{heir.flow, heir.End, heir.Columns})
		for i := first[h] + 1; i < len(all) && all[i].End == all[first[h]].End && all[i].key == all[first[h]].key; i++ {
			c := all[i]
			c.stands, c.differs = all[first[h]].flow, !progress.SameResult(c.Row, all[first[h]].Row)
			kept = append(kept, c)
		}
	}
	if err := forgetClashes(ctx, q, flows, gone); err != nil {
		return nil, err
	}
	return stand, noteClashes(ctx, q, kept)
}

// WithClashes adds the rows of a flow that do not stand to those of its table.
func WithClashes(ctx context.Context, q pg.Querier, table *resulttable.Shared, id progress.FlowID, ends sequence.Span, windows []progress.Window) ([]progress.Window, error) {
	all, err := readClashes(ctx, q, table, []int32{int32(id)}, nil, ends)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return windows, nil
	}
	type bounds struct{ start, end int64 }
	at := make(map[bounds]int, len(windows))
	for i := range windows {
		at[bounds{windows[i].Start, windows[i].End}] = i
	}
	for _, c := range all {
		i, known := at[bounds{c.Start, c.End}]
		if !known {
			i = len(windows)
			at[bounds{c.Start, c.End}] = i
			windows = append(windows, progress.Window{Start: c.Start, End: c.End})
		}
		windows[i].Rows = append(windows[i].Rows, c.Row)
	}
	slices.SortStableFunc(windows, func(a, b progress.Window) int { return cmp.Compare(a.End, b.End) })
	return windows, nil
}
