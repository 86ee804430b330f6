package raw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sqlstore/pg"
)

// Tables are dropped late and carefully. The order of events:
//
//  1. A seal, in its own transaction, or a retention, after its own, says that a
//     table is unused. Snapshots that begin later do not read it.
//  2. DropUnused notes which transactions run then. Only they can have a snapshot
//     from before.
//  3. When all of these have ended, and the time of grace has passed, it drops
//     the table. Until then a partition can be taken back (Retainer.Restore).
//
// Transactions are told apart by their virtual ids. After a restart of the server a
// new transaction may have the id of a noted one; then the drop waits for that one
// too, which does no harm.

// dropTimeout is how long a drop waits for its lock. Readers that come in that
// time wait behind it, so it is short, and a drop that has to wait longer is
// left for the next time.
const dropTimeout = 50 * time.Millisecond

// dropper drops the tables that are no longer needed. It is used by all that makes
// tables unused, by several goroutines and processes at once.
type dropper struct {
	db    *pg.DB
	grace time.Duration // that an unused table is kept
}

// DropReport is what became of the tables that are no longer needed.
type DropReport struct {
	Dropped []string
	// Waiting is how many are kept for now: a reader could still need them, or
	// the time of grace is not over.
	Waiting int
}

// DropUnused drops the hot tables of sealed generations and the partitions that
// retention has given up, as soon as no reader can need them any more, and
// forgets flushes that are not asked for any more. What must wait is dropped by a later call.
//
// A drop is not MVCC-safe: a transaction with an older snapshot that has not
// touched the table yet would find its rows nowhere. So the transactions that
// ran when the table had become unused are noted, and it is dropped when all
// of them have ended.
func (d dropper) DropUnused(ctx context.Context) (DropReport, error) {
	report, err := d.dropUnused(ctx)
	if err != nil {
		return report, fmt.Errorf("drop unused tables: %w", pg.Interpret(err))
	}
	if _, err := d.db.Pool().Exec(ctx, queries.FlushPrune); err != nil {
		return report, fmt.Errorf("forget old flushes: %w", pg.Interpret(err))
	}
	return report, nil
}

// dropUnused does steps 2 and 3 for every table that is unused. A table that was
// marked since the last call only gets its list of transactions, and is dropped by a
// later call.
func (d dropper) dropUnused(ctx context.Context) (DropReport, error) {
	var report DropReport
	if _, err := d.db.Pool().Exec(ctx, queries.UnusedReaders); err != nil {
		return report, err
	}
	var due []string
	if err := d.db.Pool().QueryRow(ctx, queries.UnusedDue, d.grace.Milliseconds()).Scan(&due, &report.Waiting); err != nil {
		return report, err
	}
	// One that cannot be locked now does not keep the others from being dropped.
	for _, table := range due {
		switch done, err := d.drop(ctx, table); {
		case pg.LockTimedOut(err):
			report.Waiting++
		case err != nil:
			return report, fmt.Errorf("%s: %w", table, err)
		case done:
			report.Dropped = append(report.Dropped, table)
		}
	}
	return report, nil
}

// drop drops one table, in a transaction of its own together with what is
// remembered about it: that it was unused, and the state of its generation, if
// it is a hot table. Of a partition it says first, with the row of retention locked,
// that what it holds is gone. One that was taken back meanwhile stays, and done is
// false.
func (d dropper) drop(ctx context.Context, table string) (done bool, err error) {
	err = d.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = "+pg.Milliseconds(dropTimeout)); err != nil {
			return err
		}
		if span, ok := partitionSpan(table); ok {
			var gone int64
			err := tx.QueryRow(ctx, queries.RetentionDrop, span.to).Scan(&gone)
			if errors.Is(err, pgx.ErrNoRows) {
				_, err = tx.Exec(ctx, queries.UnusedRemove, table)
				return err
			}
			if err != nil {
				return err
			}
		}
		done = true
		if _, err := tx.Exec(ctx, "drop table if exists "+pg.Quoted(table)); err != nil {
			return err
		}
		for _, sql := range []string{queries.UnusedRemove, queries.GenerationDrop} {
			if _, err := tx.Exec(ctx, sql, table); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}
