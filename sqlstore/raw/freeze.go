package raw

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Freezing ends one generation and begins the next, so that a hot table gets a
// last row and can be merged as a whole. It is the only thing that all regions
// wait for, and it is short: it writes a handful of rows.
//
// Why nothing is written to a generation after its freeze: a flush learns its
// generation from the row of its region, in the statement that locks it, and keeps
// the lock until its commit. A freeze locks all these rows. When it has them, every
// flush that knew the old generation has ended; the next ones wait for its commit
// and read the new number.
//
// A process that ends at any point leaves a state that the next freeze goes on
// from: the new table is made if it is not there, and everything else is one
// transaction.

const (
	// SealLease is the purpose of the lease under which generations move on.
	SealLease = "seal"
	// sealLockWait is how long a freeze or a seal waits for another process that
	// merges a generation.
	sealLockWait = 30 * time.Minute
	// freezeLockTimeout is how long a freeze waits for a flush. While it waits
	// it holds the regions before that one, so no longer than a flush takes.
	freezeLockTimeout = 2 * time.Second
	// freezeAttempts is how often a freeze that waited too long is tried again.
	freezeAttempts = 5
)

// Keeper moves raw samples on in their life: it freezes and seals generations, and
// drops their hot tables. All methods are safe for
// concurrent use, also by several processes.
type Keeper struct {
	dropper
	db           *pg.DB
	mergeSamples int64 // that sealing holds in memory at once
}

// NewKeeper makes a keeper. A table that is no longer needed is kept for
// dropGrace before it is dropped; sealing holds mergeSamples samples in memory at
// once, about 40 bytes each.
func NewKeeper(db *pg.DB, dropGrace time.Duration, mergeSamples int64) *Keeper {
	return &Keeper{dropper: dropper{db: db, grace: dropGrace}, db: db, mergeSamples: mergeSamples}
}

// Freeze closes the current generation and begins the next one. It returns the
// generation that was closed, or 0 when the current one is empty, which is left
// as it is.
//
// Flushes wait for it, for as long as one small transaction takes.
func (k *Keeper) Freeze(ctx context.Context) (closed int32, err error) {
	unlock, err := k.db.LockOut(ctx, SealLease, sealLockWait)
	if err != nil {
		return 0, fmt.Errorf("freeze: %w", err)
	}
	defer unlock()
	return k.freeze(ctx)
}

// freeze is Freeze with the lock held.
func (k *Keeper) freeze(ctx context.Context) (closed int32, err error) {
	for attempt := 1; ; attempt++ {
		closed, err = k.tryFreeze(ctx)
		if err == nil {
			return closed, nil
		}
		if !pg.LockTimedOut(err) || attempt == freezeAttempts {
			return 0, fmt.Errorf("freeze: %w", pg.Interpret(err))
		}
		// Lets the flushes through that waited behind us.
		if err := pg.Sleep(ctx, freezeLockTimeout/4); err != nil {
			return 0, fmt.Errorf("freeze: %w", err)
		}
	}
}

// tryFreeze is one attempt. What can take long, making a table, is done before the
// transaction that flushes wait for. An attempt that ends in between leaves an
// empty table behind, which the next one finds.
func (k *Keeper) tryFreeze(ctx context.Context) (int32, error) {
	var current int32
	if err := k.db.Pool().QueryRow(ctx, queries.GenerationCurrent).Scan(&current); err != nil {
		return 0, err
	}
	// An installation that takes nothing in makes no generations.
	empty, err := k.hotEmpty(ctx, k.db.Pool(), current)
	if err != nil || empty {
		return 0, err
	}
	// The next table is there, committed, before any flush can read its number.
	if _, err := k.db.Pool().Exec(ctx, queries.CreateHot(current+1)); err != nil {
		return 0, err
	}
	err = k.db.InTx(ctx, func(tx pgx.Tx) error { return moveOn(ctx, tx, current) })
	if err != nil {
		return 0, err
	}
	return current, nil
}

// hotEmpty reports whether a generation holds no segment.
func (k *Keeper) hotEmpty(ctx context.Context, q pg.Querier, generation int32) (bool, error) {
	var holds bool
	err := q.QueryRow(ctx, queries.OnHot(queries.HotAny, generation)).Scan(&holds)
	return !holds, err
}

// moveOn closes the current generation. Since every flush reads the generation
// in the statement that locks its region's row, nothing can enter the closed
// one once all rows are locked.
func moveOn(ctx context.Context, tx pgx.Tx, current int32) error {
	if _, err := tx.Exec(ctx, "set local lock_timeout = "+pg.Milliseconds(freezeLockTimeout)); err != nil {
		return err
	}
	// The rows' locks are held until the commit, so the vector is where the
	// generation ends: no flush up to it is missing, none after it is inside.
	rows, err := tx.Query(ctx, queries.FreezeRegions)
	if err != nil {
		return err
	}
	stand := sequence.Vector{}
	var region, last int64
	if _, err := pgx.ForEachRow(rows, []any{&region, &last}, func() error {
		stand[sequence.Region(region)] = sequence.Seq(last)
		return nil
	}); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, queries.GenerationFreeze, current, EncodeVector(stand))
	if err != nil {
		return err
	}
	// The lease can have been lost; the row decides.
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("generation %d is not the current one any more", current)
	}
	if _, err := tx.Exec(ctx, queries.GenerationInsert, current+1); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, queries.RegionMove, current+1)
	return err
}
