package changes

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	queries "laminar/queries/changes"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// WindowChange is a commit that changed a window, as the log has it.
type WindowChange struct {
	Position changelog.Position
	At       sequence.Time // by the database's clock
	Closed   bool          // it closed the window
	Rows     int           // whose keys it names; -1 where all of the window may have changed
}

// OfWindow is the newest commits that changed the window of a flow with this end, newest
// first, at most so many; the log may have lost older ones.
func (s *Store) OfWindow(ctx context.Context, id progress.FlowID, end sequence.Time, most int) ([]WindowChange, error) {
	rows, err := s.db.Pool().Query(ctx, queries.ChangeWindow, int32(id), end, int32(most))
	if err != nil {
		return nil, fmt.Errorf("look for changes of a window: %w", pg.Interpret(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c WindowChange, err error) {
		return c, row.Scan((*int64)(&c.Position), &c.At, &c.Closed, &c.Rows)
	})
	if err != nil {
		return nil, fmt.Errorf("look for changes of a window: %w", pg.Interpret(err))
	}
	return list, nil
}
