package resulttable

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/result"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Looks is a result table as people look at it: where it has rows, how many, and what it is
// like. Errors are the driver's.
type Looks struct{ t *Table }

// LooksOf looks at a table, which must be there.
func LooksOf(t *Table) Looks { return Looks{t} }

// Extents is, of each of the spans, what the ends of the flow's windows with rows in it
// span: from the first to the last. It is empty where there are none. It reads two rows for
// each span. Errors are the driver's.
func (l Looks) Extents(ctx context.Context, q pg.Querier, spans []sequence.Span) ([]sequence.Span, error) {
	after, upTo := make([]time.Time, len(spans)), make([]time.Time, len(spans))
	for i, s := range spans {
		after[i], upTo[i] = time.UnixMilli(s.After).UTC(), time.UnixMilli(s.UpTo).UTC()
	}
	rows, err := q.Query(ctx, l.t.in.expand(queries.ResultCells), append([]any{after, upTo}, l.t.static...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (sequence.Span, error) {
		var first, last int64
		if err := row.Scan(&first, &last); err != nil || first == sequence.NoTime {
			return sequence.Span{}, err
		}
		return sequence.Between(first, last), nil
	})
}

// Count is how many rows the flow has of windows that end in the span. Errors are the
// driver's.
func (l Looks) Count(ctx context.Context, q pg.Querier, ends sequence.Span) (n int64, err error) {
	args := append([]any{time.UnixMilli(ends.After).UTC(), time.UnixMilli(ends.UpTo).UTC()}, l.t.static...)
	err = q.QueryRow(ctx, l.t.in.expand(queries.ResultCount), args...).Scan(&n)
	return n, err
}

// Columns is the columns of the table as "name type", in their order; none while there is no
// table. Errors are the driver's.
func (l Looks) Columns(ctx context.Context, q pg.Querier) (found []string, err error) {
	var (
		exists bool
		mark   string
		unset  []string
	)
	err = q.QueryRow(ctx, queries.ResultTable, l.t.schema, l.t.name).Scan(&exists, &mark, &found, &unset)
	return found, err
}

// Newest is a query, for people, for the newest rows of the flow.
func (l Looks) Newest() string {
	var of strings.Builder
	for i, column := range l.t.in.static {
		value, op := fmt.Sprint(l.t.static[i]), " = "
		if l.t.in.rule == "" {
			value = pg.QuoteText(value)
			if l.t.in.json {
				op = " @> "
			}
		}
		of.WriteString(" and " + column + op + value)
	}
	return "select * from " + l.t.Ident() + " where window_end > now() - interval '1 hour'" + of.String() + " order by window_end desc"
}
