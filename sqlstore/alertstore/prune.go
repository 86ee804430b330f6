package alertstore

import (
	"context"
	"fmt"

	queries "laminar/queries/alert"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// pruneMost is how many changes one statement deletes at most.
const pruneMost = 10_000

// Prune forgets changes of windows that ended before t, but for those that alerts which
// are active since are restored from. t must be older than any window that is still
// computed again. It returns how many went.
func (s *Store) Prune(ctx context.Context, t sequence.Time) (pruned int64, err error) {
	for {
		tag, err := s.db.Pool().Exec(ctx, queries.HistoryPrune, t, pruneMost)
		if err != nil {
			return pruned, fmt.Errorf("forget old changes of alerts: %w", pg.Interpret(err))
		}
		pruned += tag.RowsAffected()
		if tag.RowsAffected() < pruneMost {
			return pruned, nil
		}
	}
}
