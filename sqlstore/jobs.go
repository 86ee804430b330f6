package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/queries"
)

// ErrNoJob says that there is no job with that id.
var ErrNoJob = errors.New("job does not exist")

// NextJobs returns the oldest unfinished job of each of the flows that has
// one, with its position.
func (s *Store) NextJobs(ctx context.Context, flows []progress.FlowID) ([]progress.Job, error) {
	ids := make([]int32, len(flows))
	for i, f := range flows {
		ids[i] = int32(f)
	}
	jobs, err := s.queryJobs(ctx, queries.JobNext, ids)
	if err != nil {
		return nil, fmt.Errorf("look for jobs: %w", err)
	}
	return jobs, nil
}

// CreateRefill asks for the windows of a flow with from < end <= to (ms since
// the epoch) to be computed again, and returns the job's id. The flownode runs
// it within the flow's rounds.
//
// It refuses with a progress.RetentionError when raw samples of such a window
// have been given up (I6), with a progress.UnknownFlowError when there is no
// such flow, and when no window ends in the span.
func (s *Store) CreateRefill(ctx context.Context, name string, from, to int64) (int64, error) {
	var id int64
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		id, err = s.createRefill(ctx, tx, name, from, to)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("create a refill: %w", interpret(err))
	}
	return id, nil
}

// createRefill is CreateRefill in a transaction of the caller.
func (s *Store) createRefill(ctx context.Context, tx pgx.Tx, name string, from, to int64) (id int64, err error) {
	entries, err := readCatalogue(ctx, tx)
	if err != nil {
		return 0, err
	}
	flow, err := findOne(entries, name)
	if err != nil {
		return 0, err
	}
	var earliest int64
	if err := tx.QueryRow(ctx, queries.RetentionEarliest).Scan(&earliest); err != nil {
		return 0, fmt.Errorf("look how far back raw samples go: %w", err)
	}
	if flow.def.Expr.PinnedGone(earliest) {
		return 0, &progress.PinnedGoneError{Flow: flow.def.Title(), Earliest: earliest}
	}
	first := pane.FirstEnd(from+1, 0, flow.def.Every)
	if first > to {
		return 0, withHint(fmt.Errorf("no window of flow %s ends between %s and %s", name, progress.FormatTime(from), progress.FormatTime(to)),
			"--to %s or later", progress.FormatTime(first))
	}
	if rebuildable := firstRebuildable(flow.def, earliest); first < rebuildable {
		return 0, &progress.RetentionError{Flow: flow.def.Title(), From: from, Earliest: rebuildable}
	}
	if err := tx.QueryRow(ctx, queries.JobInsert, flow.id, from, to).Scan(&id); err != nil {
		return 0, err
	}
	return id, s.hintLook(ctx, tx)
}

// ListJobs returns at most limit jobs, newest first.
func (s *Store) ListJobs(ctx context.Context, limit int) ([]progress.Job, error) {
	jobs, err := s.queryJobs(ctx, queries.JobList, nil, limit)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// ShowJob returns one job. ErrNoJob when there is none with the id.
func (s *Store) ShowJob(ctx context.Context, id int64) (progress.Job, error) {
	jobs, err := s.queryJobs(ctx, queries.JobList, id, 1)
	if err != nil {
		return progress.Job{}, fmt.Errorf("show job %d: %w", id, err)
	}
	if len(jobs) == 0 {
		return progress.Job{}, noJob(id)
	}
	return jobs[0], nil
}

// CancelJob ends a job that is not finished; the windows it has computed stay
// as they are. A job that is finished is left as it is, without an error.
// ErrNoJob when there is none with the id.
func (s *Store) CancelJob(ctx context.Context, id int64) error {
	tag, err := s.pool.Exec(ctx, queries.JobCancel, id)
	if err != nil {
		return fmt.Errorf("cancel job %d: %w", id, interpret(err))
	}
	if tag.RowsAffected() == 0 {
		_, err = s.ShowJob(ctx, id)
	}
	return err
}

func noJob(id int64) error {
	return withHint(fmt.Errorf("job %s: %w", strconv.FormatInt(id, 10), ErrNoJob), "laminar job list")
}

func (s *Store) queryJobs(ctx context.Context, query string, args ...any) ([]progress.Job, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, interpret(err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j progress.Job, err error) {
		return j, row.Scan(&j.ID, (*int32)(&j.Flow), &j.FlowName, &j.Kind, &j.From, &j.To, &j.NextT, &j.State,
			&j.WindowsDone, &j.RowsWritten, &j.Error, &j.CreatedAt, &j.StartedAt, &j.FinishedAt)
	})
	return jobs, interpret(err)
}
