package resulttable

import (
	"context"
	"time"

	queries "laminar/queries/result"
	"laminar/sqlstore/pg"
)

// Expire deletes the flow's rows of windows that ended before a time, of the oldest most at
// most, and says how many. The flow is locked. Errors are the driver's.
func (t *Table) Expire(ctx context.Context, q pg.Querier, before time.Time, most int) (int64, error) {
	tag, err := q.Exec(ctx, t.in.expand(queries.ResultExpire), append([]any{before, most}, t.static...)...)
	return tag.RowsAffected(), err
}
