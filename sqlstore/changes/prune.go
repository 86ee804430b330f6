package changes

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/changes"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// The log stays small: what is old is forgotten, and what is not quite new says each
// window once.
// Before: a log of each flow. After: the same changes since the floor can be read of it.
//
//	age         is left
//	< 1 h       every entry
//	kept        of each window the newest, which says what the others said; what says the
//	            same of several windows is taken apart where another entry says more of one
//	older       nothing; the floor is above it
//
// The floor is raised and committed first (L3). A reader whose snapshot shows the former
// floor also sees the entries: they are deleted by a later transaction.

const (
	// mergeAfter is the age from which on a window has one entry. Who follows a flow
	// without a break reads younger ones.
	mergeAfter = time.Hour
	// logBytes is about how large one flow's log may become, whatever its age.
	logBytes = 64 << 20
	// dropMost is how many entries one statement deletes at most.
	dropMost = 10_000
)

// Pruned is what Prune has done.
type Pruned struct {
	Forgotten int64 // entries below floors
	Merged    int64 // entries that newer ones speak for
}

// Prune forgets changes that were committed before a time (ms since the epoch; sequence.NoTime
// for none), or are too many, and merges those that are older than an hour. Several processes
// may do so at once.
func (s *Store) Prune(ctx context.Context, before sequence.Time) (Pruned, error) {
	var done Pruned
	rows, err := s.db.Pool().Query(ctx, queries.ChangeLogs)
	if err != nil {
		return done, fmt.Errorf("list change logs: %w", pg.Interpret(err))
	}
	flows, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return done, fmt.Errorf("list change logs: %w", pg.Interpret(err))
	}
	for _, id := range flows {
		if err := s.prune(ctx, id, before, &done); err != nil {
			return done, fmt.Errorf("prune the change log of flow %d: %w", id, pg.Interpret(err))
		}
	}
	return done, nil
}

// prune prunes one log. Each statement is a transaction of its own, and a process that
// ends between them leaves less to be done.
func (s *Store) prune(ctx context.Context, id int32, before sequence.Time, done *Pruned) error {
	pool := s.db.Pool()
	if _, err := pool.Exec(ctx, queries.ChangeFloor, id, before, logBytes); err != nil {
		return err
	}
	for {
		tag, err := pool.Exec(ctx, queries.ChangeDrop, id, dropMost)
		if err != nil {
			return err
		}
		if done.Forgotten += tag.RowsAffected(); tag.RowsAffected() < dropMost {
			break
		}
	}
	if _, err := pool.Exec(ctx, queries.ChangePart, id, mergeAfter.Milliseconds()); err != nil {
		return err
	}
	var merged int64
	err := pool.QueryRow(ctx, queries.ChangeMerge, id, mergeAfter.Milliseconds(), maxKeys).Scan(&merged)
	done.Merged += merged
	return err
}
