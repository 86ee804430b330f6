package raw

import (
	"context"
	"fmt"
	"time"

	queries "laminar/queries/raw"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// Retention is one number, the time before which samples are given up. It is
// raised first and acted on afterwards, so that nothing can be computed from
// samples of which some are gone already: ingest refuses older samples, sealing
// leaves them out, and no window that reads them is computed again (I6).
//
// Each of these reads the number in the transaction in which it acts, behind the
// lock that it needs anyway: a flush behind its region's, a seal behind the one on
// sealed, a snapshot together with its position. A raise that is committed later
// is met by the next of them, and by the next call of Retain.

// RetainReport is what a Retain did.
type RetainReport struct {
	Earliest int64 // samples before this time (ms since the epoch) are given up
	Drop     DropReport
}

// Keep says in the database how long samples are kept, 0 for ever: for commands that
// run with settings of their own. Of several processes that say something else
// the last one counts.
func (k *Keeper) Keep(ctx context.Context, retention time.Duration) error {
	if _, err := k.db.Pool().Exec(ctx, queries.RetentionKeep, retention.Milliseconds()); err != nil {
		return fmt.Errorf("say how long samples are kept: %w", pg.Interpret(err))
	}
	return nil
}

// Retain gives up all samples before a time, in milliseconds since the epoch,
// aligned down to a time bucket. The time is committed first and never goes
// back: from then on ingest, sealing and refills refuse what is older (I6).
// Then the partitions that lie wholly before it are dropped, as soon as no
// older snapshot can read them; until then the report counts them as waiting.
func (k *Keeper) Retain(ctx context.Context, before int64) (RetainReport, error) {
	var report RetainReport
	if err := k.db.Pool().QueryRow(ctx, queries.RetentionRaise, before, segment.BucketMillis).Scan(&report.Earliest); err != nil {
		return report, fmt.Errorf("give up samples before %d: %w", before, pg.Interpret(err))
	}
	partitions, err := k.partitions(ctx)
	if err != nil {
		return report, fmt.Errorf("list partitions: %w", pg.Interpret(err))
	}
	// A partition that the border goes through stays as it is.
	var expired []string
	for _, name := range partitions {
		if bucket, ok := bucketOf(name); ok && bucket+segment.BucketMillis <= report.Earliest {
			expired = append(expired, name)
		}
	}
	if len(expired) > 0 {
		if _, err := k.db.Pool().Exec(ctx, queries.UnusedAdd, expired); err != nil {
			return report, fmt.Errorf("mark %d expired partitions: %w", len(expired), pg.Interpret(err))
		}
	}
	report.Drop, err = k.DropUnused(ctx)
	return report, err
}

// Earliest is the time, in ms since the epoch, before which samples have been
// given up.
func Earliest(ctx context.Context, q pg.Querier) (t int64, err error) {
	if err := q.QueryRow(ctx, queries.RetentionEarliest).Scan(&t); err != nil {
		return 0, fmt.Errorf("read the retention's time: %w", err)
	}
	return t, nil
}
