package resulttable

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/result"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Oldest is the end of the flow's oldest window, ms; sequence.NoTime when it has none.
// It reads the primary key from its beginning. Errors are the driver's.
func (t *Table) Oldest(ctx context.Context, q pg.Querier) (int64, error) {
	end := sequence.NoTime // which is what the query gives for none
	err := q.QueryRow(ctx, t.in.expand(queries.ResultOldest), t.static...).Scan(&end)
	return end, err
}

// Read is the flow's rows of windows that end in the span, oldest window first, rows that
// share start and end in one Window. Rows of other flows in the table are left out, as
// they are when it is written to. Errors are the driver's.
func (t *Table) Read(ctx context.Context, q pg.Querier, ends sequence.Span) ([]progress.Window, error) {
	return ReadUpTo(ctx, q, t, ends, math.MaxInt)
}

// ReadUpTo is Read of no more rows than most: further ones are progress.ErrTooManyRows.
func ReadUpTo(ctx context.Context, q pg.Querier, t *Table, ends sequence.Span, most int) ([]progress.Window, error) {
	return readWindows(ctx, q, t, most, queries.ResultRead, time.UnixMilli(ends.After).UTC(), time.UnixMilli(ends.UpTo).UTC())
}

// ReadAt is ReadUpTo of the windows that end at first, first + step, ... up to last, ms: for
// who wants few of many.
func ReadAt(ctx context.Context, q pg.Querier, t *Table, first, last sequence.Time, step int64, most int) ([]progress.Window, error) {
	return readWindows(ctx, q, t, most, queries.ResultAt, time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC(), step)
}

// readWindows is the rows that a statement gives, most at most, whose last parameters tell
// the flow's.
func readWindows(ctx context.Context, q pg.Querier, t *Table, most int, statement string, args ...any) ([]progress.Window, error) {
	rows, err := q.Query(ctx, t.in.expand(statement), append(args, t.static...)...)
	if err != nil {
		return nil, err
	}
	var (
		out        []progress.Window
		start, end int64
		columns    []string
		result     Result
		n          int
	)
	_, err = pgx.ForEachRow(rows, append([]any{&start, &end, &columns}, result.Fields()...), func() error {
		if n++; n > most {
			return progress.ErrTooManyRows
		}
		if !t.perLabel {
			// As flowdef spells a label set, and not as PostgreSQL does.
			columns[0] = flowdef.GroupKey(flowdef.GroupKeyLabels(columns[0]))
		}
		// Rows come by window, so a window's rows follow each other.
		row := result.Row(append([]string(nil), columns...))
		if t.sessions {
			start, row.Start = end, start
		}
		if n := len(out); n == 0 || out[n-1].Start != start || out[n-1].End != end {
			out = append(out, progress.Window{Start: start, End: end})
		}
		w := &out[len(out)-1]
		w.Rows = append(w.Rows, row)
		return nil
	})
	return out, err
}

// LatestOf is the query for the newest rows of the table of that name (quoted), whatever
// its columns are; $1 is how many, $2 the column of the rules' numbers, "" for none.
func LatestOf(ident string) string {
	return (&columnsIn{table: ident}).expand(queries.ResultsLatest)
}
