package flowstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/flow"
	"laminar/sqlstore/pg"
)

// Work that is done by a schedule must be done once, however many processes know
// of the schedule. Each due time is given to one of them by a conditional write of
// one row per task. Due times are compared, not counted: a process that slept, or
// whose clock is behind, finds that a later one was taken and leaves its own.

// Now is the database's clock. Processes that compute due times by it agree on
// them, whatever their own clocks say.
func (j *Jobs) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := j.db.Pool().QueryRow(ctx, queries.Clock).Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("read the database's clock: %w", pg.Interpret(err))
	}
	return now.UTC(), nil
}

// TakeDue reports whether this process is the one that does the work of a task
// that is due at a time: of all that ask, exactly one is told so. The answer is
// durable before the work begins, so work that fails, or whose process ends, is
// not done again before its next due time.
func (j *Jobs) TakeDue(ctx context.Context, task string, due time.Time) (taken bool, err error) {
	if taken, err = takeDue(ctx, j.db.Pool(), task, due); err != nil {
		return false, fmt.Errorf("take %s: %w", task, pg.Interpret(err))
	}
	return taken, nil
}

// CreateDueRefill asks for a refill as CreateRefills does, for a task that is due
// at a time, unless another process has: then taken is false. Due time and job
// commit together, so each due time makes one job, whatever ends in between; when
// the refill is refused, the due time stays open for others.
func (j *Jobs) CreateDueRefill(ctx context.Context, task string, due time.Time, name string, from, to int64) (ids []int64, taken bool, err error) {
	err = j.db.InTx(ctx, func(tx pgx.Tx) error {
		if taken, err = takeDue(ctx, tx, task, due); err != nil || !taken {
			return err
		}
		// Refused, it undoes the taking as well: another process may be configured
		// better.
		jobs, err := j.createRefills(ctx, tx, name, from, to, false)
		ids = idsOf(jobs)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("create the refill of %s: %w", task, pg.Interpret(err))
	}
	return ids, taken, nil
}

// takeDue writes the due time where it is newer than what was taken.
func takeDue(ctx context.Context, q pg.Querier, task string, due time.Time) (bool, error) {
	err := q.QueryRow(ctx, queries.UpkeepTake, task, due).Scan(&task)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
