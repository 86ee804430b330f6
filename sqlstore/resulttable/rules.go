package resulttable

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"laminar/flownode/progress"
	queries "laminar/queries/result"
	"laminar/sqlstore/pg"
)

// Tables whose rows are told apart by the numbers of their rules: what is looked up and
// written there beside the flow's own rows. The primary key does not hold the number, so
// of the rules that give one row only one has it in the table. Which one is decided
// above; here is what the decision needs and does.
//
// All of it is called with the flows of the table locked.

// Shared is a table to which several rules write.
type Shared struct{ *Table }

// Ruled reports whether the rows of the table are told apart by the numbers of rules.
func (t *Table) Ruled() bool { return t.number > 0 }

// Number is the number of the flow's rule, 0 where there is none.
func (t *Table) Number() int { return t.number }

// Placed is a row of the table with the rule that it is of. Times are ms.
type Placed struct {
	progress.Row
	Start, End int64
	Rule       int
}

// ResultArgs is the results of rows as arguments: values, and histograms as texts, of
// which one is null.
func ResultArgs(rows []Placed) (values []pgtype.Float8, histograms []pgtype.Text) {
	values, histograms = make([]pgtype.Float8, len(rows)), make([]pgtype.Text, len(rows))
	for i := range rows {
		values[i], histograms[i] = resultArgs(rows[i].Row)
	}
	return values, histograms
}

// Ruling is the table of the target for what is not a round's own rows, as it is now: with
// the column for histograms if somebody has added it meanwhile.
func (t *Target) Ruling(ctx context.Context, q pg.Querier) (*Shared, error) {
	if w := t.writer(); w.in.histograms {
		return &Shared{w.Table}, nil
	}
	table := *t.Table
	return &Shared{&table}, table.Look(ctx, q)
}

// Others is those of the window ends (ms) that have a row of another rule.
func (t *Shared) Others(ctx context.Context, q pg.Querier, ends []int64) ([]int64, error) {
	rows, err := q.Query(ctx, t.in.expand(queries.ResultOthers), timesOf(ends), int16(t.number))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Taken looks for rows by end and columns, and gives what stands there: of the first n
// those that are another rule's, of those behind them all. at[i] is which row found[i]
// stands for.
func (t *Shared) Taken(ctx context.Context, q pg.Querier, rows []Placed, n int) (found []Placed, at []int, err error) {
	var (
		ends   []int64
		win    = make([]int32, len(rows))
		number = map[int64]int32{}
	)
	for i := range rows {
		end := rows[i].End
		if number[end] == 0 {
			ends = append(ends, end)
			number[end] = int32(len(ends))
		}
		win[i] = number[end]
	}
	labels, err := t.labelsOf(rows)
	if err != nil {
		return nil, nil, err
	}
	got, err := q.Query(ctx, t.in.expand(queries.ResultTaken), append([]any{timesOf(ends), win, int16(t.number), int32(n + 1)}, labels...)...)
	if err != nil {
		return nil, nil, err
	}
	var (
		i      int
		rule   int16
		start  int64
		result Result
	)
	_, err = pgx.ForEachRow(got, append([]any{&i, &rule, &start}, result.Fields()...), func() error {
		r := rows[i-1]
		found = append(found, Placed{Start: start, End: r.End, Row: result.Row(r.Columns), Rule: int(rule)})
		at = append(at, i-1)
		return nil
	})
	return found, at, err
}

// Settle puts the rows in the place of whatever stands there, and gives the number of
// those that were inserted or changed.
func (t *Shared) Settle(ctx context.Context, q pg.Querier, rows []Placed) (n int64, err error) {
	args, err := t.placedArgs(rows)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	err = q.QueryRow(ctx, t.in.expand(queries.ResultSettle), args...).Scan(&n)
	return n, err
}

// Unsettle deletes the rows with these ends and columns, whosever they are, and gives the
// number of those that were there.
func (t *Shared) Unsettle(ctx context.Context, q pg.Querier, rows []Placed) (n int64, err error) {
	labels, err := t.labelsOf(rows)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	ends := make([]int64, len(rows))
	for i := range rows {
		ends[i] = rows[i].End
	}
	err = q.QueryRow(ctx, t.in.expand(queries.ResultUnsettle), append([]any{timesOf(ends)}, labels...)...).Scan(&n)
	return n, err
}

// Inherit puts the rows where none stand, and gives which of them found their place.
func (t *Shared) Inherit(ctx context.Context, q pg.Querier, rows []Placed) ([]int, error) {
	args, err := t.placedArgs(rows)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	got, err := q.Query(ctx, t.in.expand(queries.ResultHeirs), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(got, func(row pgx.CollectableRow) (i int, err error) {
		err = row.Scan(&i)
		return i - 1, err
	})
}

// placedArgs is the arguments of result_settle and result_heirs.
func (t *Shared) placedArgs(rows []Placed) ([]any, error) {
	labels, err := t.labelsOf(rows)
	if err != nil {
		return nil, err
	}
	var (
		n            = len(rows)
		starts, ends = make([]int64, n), make([]int64, n)
		rules        = make([]int16, n)
	)
	for i, r := range rows {
		starts[i], ends[i], rules[i] = r.Start, r.End, int16(r.Rule)
	}
	values, histograms := ResultArgs(rows)
	args := append([]any{timesOf(starts), timesOf(ends), values, rules}, labels...)
	if t.in.histograms {
		args = append(args, histograms)
	}
	return args, nil
}

// labelsOf is the label columns of rows, each an argument.
func (t *Shared) labelsOf(rows []Placed) ([]any, error) {
	columns := columnsOf(len(t.columns), len(rows))
	for _, r := range rows {
		if err := t.addColumns(columns, r.Columns); err != nil {
			return nil, &ShapeError{err}
		}
	}
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = c
	}
	return out, nil
}

func timesOf(ms []int64) []time.Time {
	out := make([]time.Time, len(ms))
	for i, t := range ms {
		out[i] = time.UnixMilli(t).UTC()
	}
	return out
}
