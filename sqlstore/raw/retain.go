package raw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Retention is two numbers. Samples before the first are given up: ingest refuses
// them, the views do not show them, and no window that reads them is computed again
// (I6). Samples before the second are gone. The first is raised before anything is
// done about it; the second is raised by the transaction that drops. Between the two
// lies what a person can still take back.
//
//	          dropped               earliest                    now
//	----gone----|----given up----------|----kept-----------------|
//	            '<--- restore ---------'
//
// Each reader reads the first in the transaction in which it acts, behind the lock that
// it needs anyway: a flush behind its region's, a snapshot together with its position. A
// raise that is committed later is met by the next of them, and by the next call of
// Retain. A restore is met in the same way: who has read the higher time has left
// something out, and nothing wrong is stored. A window that was left out is computed
// by a refill. Sealing reads the second behind the lock on sealed, and so keeps what is
// given up and not dropped.
//
// How far the first goes is decided by the database alone, in retention_cut.

// RetainReport is what a Retain did.
type RetainReport struct {
	Earliest int64 // samples before this time (ms since the epoch) are given up

	// Held is the time before which samples would be given up by a step that is held
	// back until a person confirms it, 0 when none is.
	Held int64
	Loss Loss // what a held step would give up

	Drop DropReport
}

// Loss is about what giving up samples takes away.
type Loss struct {
	From, To int64 // ms since the epoch; no sample is older than From
	Segments int64 // an estimate
}

// Retention is where retention stands. Times are ms since the epoch; -1 where there is
// none.
type Retention struct {
	Earliest  int64 // samples before it are given up; 0 when none are
	Dropped   int64 // samples before it are gone; 0 when none are
	Kept      int64 // how long samples are kept, ms, 0 for no limit; -1 when no process has said
	SteppedAt int64 // the database's clock at the last step that was not held back
	Held      int64 // what a held step would give up
	HeldSince int64
	Now       int64 // the database's clock
	Newest    int64 // no sample is stored that is much newer
}

// Future reports whether samples are given up that are still to come: the clock was
// wrong once.
func (r Retention) Future() bool { return r.Earliest > r.Now }

// ErrNothingHeld says that no step of retention is held back.
var ErrNothingHeld = errors.New("no step of retention is held back")

// ErrNothingToRestore says that all that was given up has been dropped.
var ErrNothingToRestore = errors.New("nothing can be taken back")

// Retainer decides which samples are kept: it gives up what is too old, and takes that
// back while it can be. All methods are safe for concurrent use, also by several
// processes.
type Retainer struct {
	db     *pg.DB
	tables dropper
}

// NewRetainer makes a retainer. A partition that has been given up is kept for
// dropGrace before it is dropped.
func NewRetainer(db *pg.DB, dropGrace time.Duration) *Retainer {
	return &Retainer{db: db, tables: dropper{db: db, grace: dropGrace}}
}

// Keep stores how long samples are kept, 0 for no limit, and how long samples that
// were given up can be taken back. Commands with settings of their own read it. If
// several processes store different times, the last one counts.
func (r *Retainer) Keep(ctx context.Context, retention, grace time.Duration) error {
	if _, err := r.db.Pool().Exec(ctx, queries.RetentionKeep, retention.Milliseconds(), grace.Milliseconds()); err != nil {
		return fmt.Errorf("say how long samples are kept: %w", pg.Interpret(err))
	}
	return nil
}

// Retain gives up the samples that are older than they are to be kept, by the
// database's clock and not beyond the newest sample less that, at the begin of a day.
// A step of more than a day is held back and reported, unless nothing is stored that
// it would give up. Where nothing is given up yet, the oldest sample counts as the last
// step.
//
// The time is committed first (I6). Then the partitions that lie wholly before it are
// dropped, when the time of grace has passed and no older snapshot can read them; until
// then the report counts them as waiting.
func (r *Retainer) Retain(ctx context.Context, keep time.Duration) (RetainReport, error) {
	report, border, err := r.step(ctx, keep, nil)
	if err == nil && report.Held > 0 {
		if report.Loss, err = r.loss(ctx, report.Held); err == nil && report.Loss.Segments == 0 {
			report, border, err = r.step(ctx, keep, &report.Held)
		}
	}
	if err != nil {
		return report, err
	}
	return r.expire(ctx, report, border)
}

// GiveUp is Retain for a step that a person has confirmed: whatever its length it is
// not held back, but it goes no further than upTo, ms since the epoch.
func (r *Retainer) GiveUp(ctx context.Context, keep time.Duration, upTo int64) (RetainReport, error) {
	report, border, err := r.step(ctx, keep, &upTo)
	if err != nil {
		return report, err
	}
	return r.expire(ctx, report, border)
}

// step raises the time; confirmed is nil, or up to where a person has said yes. What
// lies before border may be dropped: it is given up, and by the clock of now.
func (r *Retainer) step(ctx context.Context, keep time.Duration, confirmed *int64) (report RetainReport, border int64, err error) {
	err = r.onHots(ctx, queries.RetentionStep, []any{keep.Milliseconds(), confirmed}, &report.Earliest, &report.Held, &border)
	if err != nil {
		return report, 0, fmt.Errorf("give up samples older than %s: %w", keep, pg.Interpret(err))
	}
	report.Held = max(report.Held, 0)
	return report, border, nil
}

// loss looks what giving up all before a time would take away.
func (r *Retainer) loss(ctx context.Context, before int64) (Loss, error) {
	loss := Loss{To: before}
	if err := r.onHots(ctx, queries.RetentionLoses, []any{before}, &loss.From, &loss.Segments); err != nil {
		return loss, fmt.Errorf("look what retention would give up: %w", pg.Interpret(err))
	}
	return loss, nil
}

// onHots asks a query of one row over the generations that have hot tables to be read.
func (r *Retainer) onHots(ctx context.Context, query string, args []any, into ...any) error {
	for attempt := 1; ; attempt++ {
		var generations []int32
		err := r.db.Pool().QueryRow(ctx, queries.SnapshotGenerations).Scan(&generations)
		if err == nil {
			err = r.db.Pool().QueryRow(ctx, queries.OnHots(query, generations), args...).Scan(into...)
		}
		if !pg.NoTable(err) || attempt == snapshotAttempts { // sealed and dropped in between
			return err
		}
	}
}

// expire marks the partitions that lie wholly before border as unused, and drops what
// is due. A partition that the border goes through stays as it is.
func (r *Retainer) expire(ctx context.Context, report RetainReport, border int64) (RetainReport, error) {
	partitions, err := listPartitions(ctx, r.db.Pool())
	if err != nil {
		return report, fmt.Errorf("list partitions: %w", pg.Interpret(err))
	}
	var expired []string
	for _, name := range partitions {
		if span, ok := partitionSpan(name); ok && span.to <= border {
			expired = append(expired, name)
		}
	}
	if len(expired) > 0 {
		if _, err := r.db.Pool().Exec(ctx, queries.UnusedAdd, expired); err != nil {
			return report, fmt.Errorf("mark %d expired partitions: %w", len(expired), pg.Interpret(err))
		}
	}
	report.Drop, err = r.tables.DropUnused(ctx)
	return report, err
}

// Retention tells where retention stands.
func (r *Retainer) Retention(ctx context.Context) (Retention, error) {
	return retention(ctx, r.db.Pool())
}

func retention(ctx context.Context, q pg.Querier) (r Retention, err error) {
	err = q.QueryRow(ctx, queries.RetentionState).Scan(&r.Earliest, &r.Dropped, &r.Kept, &r.SteppedAt,
		&r.Held, &r.HeldSince, &r.Now, &r.Newest)
	if err != nil {
		return r, fmt.Errorf("read where retention stands: %w", pg.Interpret(err))
	}
	return r, nil
}

// Loss tells about what a held step would give up; nothing when none is held.
func (r *Retainer) Loss(ctx context.Context, at Retention) (Loss, error) {
	if at.Held < 0 {
		return Loss{}, nil
	}
	return r.loss(ctx, at.Held)
}

// Confirm takes the step that is held back, as far as it was when at was read.
// ErrNothingHeld when none is.
func (r *Retainer) Confirm(ctx context.Context, at Retention) (RetainReport, error) {
	if at.Held < 0 {
		return RetainReport{}, pg.WithHint(ErrNothingHeld, "laminar retention show")
	}
	return r.GiveUp(ctx, time.Duration(at.Kept)*time.Millisecond, at.Held)
}

// Restore takes back what has been given up and not dropped, and returns the time
// before which samples were given up and the time before which they still are.
// ErrNothingToRestore when all of it has been dropped.
//
// The next Retain gives up again what is due then. So the clock, or the setting, that
// was wrong is to be put right first.
func (r *Retainer) Restore(ctx context.Context) (was, is int64, err error) {
	err = r.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, queries.RetentionRestore).Scan(&was, &is); err != nil {
			return err
		}
		if was == is {
			return ErrNothingToRestore
		}
		partitions, err := listPartitions(ctx, tx)
		if err != nil {
			return err
		}
		var kept []string
		for _, name := range partitions {
			if span, ok := partitionSpan(name); ok && span.to > is {
				kept = append(kept, name)
			}
		}
		_, err = tx.Exec(ctx, queries.UnusedKeep, kept)
		return err
	})
	switch {
	case errors.Is(err, ErrNothingToRestore) && is == 0:
		return was, is, pg.WithHint(fmt.Errorf("%w: no samples have been given up", err), "laminar retention show")
	case errors.Is(err, ErrNothingToRestore):
		return was, is, pg.WithHint(fmt.Errorf("%w: samples before %s have been dropped, samples from there on are kept",
			err, sequence.FormatTime(is)), "laminar retention show")
	case err != nil:
		return was, is, fmt.Errorf("take back what retention has given up: %w", pg.Interpret(err))
	}
	return was, is, nil
}

// Earliest is the time, in ms since the epoch, before which samples have been
// given up.
func Earliest(ctx context.Context, q pg.Querier) (int64, error) {
	return retentionTime(ctx, q, queries.RetentionEarliest)
}

// Due is the time, in ms since the epoch, before which samples have been given up or
// are about to be, however long ago retention was last applied.
func Due(ctx context.Context, q pg.Querier) (int64, error) {
	return retentionTime(ctx, q, queries.RetentionDue)
}

// dropped is the time, in ms since the epoch, before which samples are gone.
func dropped(ctx context.Context, q pg.Querier) (int64, error) {
	return retentionTime(ctx, q, queries.RetentionDropped)
}

func retentionTime(ctx context.Context, q pg.Querier, query string) (t int64, err error) {
	if err := q.QueryRow(ctx, query).Scan(&t); err != nil {
		return 0, fmt.Errorf("read the retention's time: %w", err)
	}
	return t, nil
}
