package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/pg"
)

// LockHolders describes who holds locks of a table, oldest first; nothing when that
// cannot be found out, as it only explains another error.
func LockHolders(ctx context.Context, q Querier, table string) []string {
	rows, err := q.Query(ctx, queries.LockHolders, table)
	if err != nil {
		return nil
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var (
			pid                             int32
			user, application, state, query string
			seconds                         int64
		)
		err := row.Scan(&pid, &user, &application, &state, &seconds, &query)
		who := fmt.Sprintf("pid %d, user %s, application %q", pid, user, application)
		if state == "" { // of another role, where one's own may not see what its sessions do
			return who, err
		}
		return fmt.Sprintf("%s, %s for %d s: %q", who, state, seconds, query), err
	})
	if err != nil {
		return nil
	}
	return out
}
