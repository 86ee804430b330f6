package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/queries"
	"laminar/sequence"
)

const (
	// sealLock is the purpose of the lock under which generations move on.
	sealLock = "seal"
	// sealLockWait is how long a freeze or a seal waits for another process that
	// merges a generation.
	sealLockWait = 30 * time.Minute
	// freezeLockTimeout is how long a freeze waits for a flush. While it waits
	// it holds the regions before that one, so no longer than a flush takes.
	freezeLockTimeout = 2 * time.Second
	// freezeAttempts is how often a freeze that waited too long is tried again.
	freezeAttempts = 5
)

// Freeze closes the current generation and begins the next one. It returns the
// generation that was closed, or 0 when the current one is empty, which is left
// as it is.
//
// Flushes wait for it, for as long as one small transaction takes.
func (s *Store) Freeze(ctx context.Context) (closed int32, err error) {
	unlock, err := s.lockOut(ctx, sealLock, sealLockWait)
	if err != nil {
		return 0, fmt.Errorf("freeze: %w", err)
	}
	defer unlock()
	return s.freeze(ctx)
}

// freeze is Freeze with the lock held.
func (s *Store) freeze(ctx context.Context) (closed int32, err error) {
	for attempt := 1; ; attempt++ {
		closed, err = s.tryFreeze(ctx)
		if err == nil {
			return closed, nil
		}
		if !lockTimedOut(err) || attempt == freezeAttempts {
			return 0, fmt.Errorf("freeze: %w", interpret(err))
		}
		if err := sleep(ctx, freezeLockTimeout/4); err != nil { // lets the flushes through that waited behind us
			return 0, fmt.Errorf("freeze: %w", err)
		}
	}
}

func (s *Store) tryFreeze(ctx context.Context) (int32, error) {
	var current int32
	if err := s.pool.QueryRow(ctx, queries.GenerationCurrent).Scan(&current); err != nil {
		return 0, err
	}
	empty, err := s.hotEmpty(ctx, s.pool, current)
	if err != nil || empty {
		return 0, err
	}
	// The next table is there, committed, before any flush can read its number.
	if _, err := s.pool.Exec(ctx, createHot(current+1)); err != nil {
		return 0, err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error { return moveOn(ctx, tx, current) })
	if err != nil {
		return 0, err
	}
	return current, nil
}

func (s *Store) hotEmpty(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, generation int32) (bool, error) {
	var holds bool
	err := q.QueryRow(ctx, onHot(queries.HotAny, generation)).Scan(&holds)
	return !holds, err
}

// moveOn closes the current generation. Since every flush reads the generation
// in the statement that locks its region's row, nothing can enter the closed
// one once all rows are locked.
func moveOn(ctx context.Context, tx pgx.Tx, current int32) error {
	if _, err := tx.Exec(ctx, "set local lock_timeout = "+milliseconds(freezeLockTimeout)); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, queries.FreezeRegions)
	if err != nil {
		return err
	}
	stand := map[sequence.Region]sequence.Seq{}
	var region, last int64
	if _, err := pgx.ForEachRow(rows, []any{&region, &last}, func() error {
		stand[sequence.Region(region)] = sequence.Seq(last)
		return nil
	}); err != nil {
		return err
	}
	vector, err := json.Marshal(stand)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, queries.GenerationFreeze, current, string(vector))
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("generation %d is not the current one any more", current)
	}
	if _, err := tx.Exec(ctx, queries.GenerationInsert, current+1); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, queries.RegionMove, current+1)
	return err
}

// milliseconds spells a duration for a PostgreSQL setting of time.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
