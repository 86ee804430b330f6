package flowstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

// ErrNoJob says that there is no job with that id.
var ErrNoJob = errors.New("job does not exist")

// A refill is asked for by a person or a schedule and done by the flownode, which
// alone writes results. Here it is a row: what is asked for, how far it is, how it
// ended. It survives every process, and is resumed at the window it had come to.
//
//	queued --> running --> done
//	   |          |------> failed      retention has overtaken it, say
//	   '----------'------> cancelled   by a person
//
// A job moves only in the commit of a round of its flow (I4), so the windows that
// it counts as done are stored. Cancelling is the exception: it takes effect before
// the next round, and what is computed stays.
//
// A job's position, next_t, begins at from and only grows: from <= next_t <= to. Every
// window with from < end <= next_t is done.

// Jobs is the queue of refills. All methods are safe for concurrent use, also by
// several processes.
type Jobs struct{ db *pg.DB }

// NextJobs returns the oldest unfinished job of each of the flows that has
// one, with its position.
func (j *Jobs) NextJobs(ctx context.Context, flows []progress.FlowID) ([]progress.Job, error) {
	ids := make([]int32, len(flows))
	for i, f := range flows {
		ids[i] = int32(f)
	}
	jobs, err := j.queryJobs(ctx, queries.JobNext, ids)
	if err != nil {
		return nil, fmt.Errorf("look for jobs: %w", err)
	}
	return jobs, nil
}

// CreateRefill asks for the windows of the flows of a name with from < end <= to (ms
// since the epoch) to be computed again, and returns a job's id for each: a record can
// have several rules. Either all of them get a job, or none. The flownode runs each
// within the rounds of its flow.
//
// It refuses with a progress.RetentionError when raw samples of such a window
// have been given up (I6), with a progress.UnknownFlowError when there is no
// such flow, and when no window ends in the span.
func (j *Jobs) CreateRefill(ctx context.Context, name string, from, to int64) ([]int64, error) {
	var ids []int64
	err := j.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		ids, err = j.createRefill(ctx, tx, name, from, to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create a refill: %w", pg.Interpret(err))
	}
	return ids, nil
}

// Refill is a refill that goes with a request.
type Refill struct {
	Job      int64
	Flow     string        // its title
	From, To sequence.Time // windows with From < end <= To
	Asked    bool          // the flow has the name that was given; the others read its results
}

// CreateRefills asks for a refill as CreateRefill does, and for those of the flows that
// read the results, in the order in which they are computed: of the windows that the
// refilled ones reach, up to the database's clock, as far as these can be rebuilt. All
// are asked for, or none.
func (j *Jobs) CreateRefills(ctx context.Context, name string, from, to int64) (out []Refill, err error) {
	err = j.db.InTx(ctx, func(tx pgx.Tx) error {
		entries, err := readCatalogue(ctx, tx)
		if err != nil {
			return err
		}
		flows, err := find(entries, name)
		if err != nil {
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, queries.Clock).Scan(&now); err != nil {
			return err
		}
		earliest, err := raw.Due(ctx, tx)
		if err != nil {
			return err
		}
		out = nil
		asked := map[int32]bool{}
		for _, flow := range flows {
			id, err := j.refill(ctx, tx, entries, flow, from, to)
			if err != nil {
				return err
			}
			asked[flow.ID] = true
			out = append(out, Refill{id, flow.Def.Title(), from, to, true})
		}
		// Rules of a record are read together: what reads several of them is refilled once.
		above := map[int]sequence.Span{}
		var order []int
		var graph *flowgraph.Graph
		for _, flow := range flows {
			var at int
			graph, at = graphOf(entries, flow)
			for _, r := range graph.Downstream(at, sequence.Span{After: from, UpTo: to}) {
				ends, known := above[r.Flow]
				if !known {
					ends = r.Ends
					order = append(order, r.Flow)
				}
				above[r.Flow] = sequence.Span{After: min(ends.After, r.Ends.After), UpTo: max(ends.UpTo, r.Ends.UpTo)}
			}
		}
		slices.SortStableFunc(order, func(a, b int) int { return graph.Depth(a) - graph.Depth(b) })
		for _, i := range order {
			if asked[entries[i].ID] {
				continue
			}
			def := entries[i].Def
			ends := sequence.Span{After: above[i].After, UpTo: min(above[i].UpTo, now.UnixMilli())}
			if part, readsRaw := graph.RawPart(i); readsRaw {
				ends.After = max(ends.After, part.FirstRebuildable(earliest)-1)
			}
			if def.Windows().Next(ends.After) > ends.UpTo {
				continue
			}
			id, err := j.refill(ctx, tx, entries, entries[i], ends.After, ends.UpTo)
			if err != nil {
				return err
			}
			out = append(out, Refill{id, def.Title(), ends.After, ends.UpTo, false})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("create a refill: %w", pg.Interpret(err))
	}
	return out, nil
}

// createRefill is CreateRefill in a transaction of the caller.
func (j *Jobs) createRefill(ctx context.Context, tx pgx.Tx, name string, from, to int64) (ids []int64, err error) {
	entries, err := readCatalogue(ctx, tx)
	if err != nil {
		return nil, err
	}
	flows, err := find(entries, name)
	if err != nil {
		return nil, err
	}
	for _, flow := range flows {
		id, err := j.refill(ctx, tx, entries, flow, from, to)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// refill asks for the windows of one flow of the entries.
func (j *Jobs) refill(ctx context.Context, tx pgx.Tx, entries []applyplan.Entry, flow applyplan.Entry, from, to int64) (id int64, err error) {
	// What is due counts as given up: retention may not have been applied for a while.
	earliest, err := raw.Due(ctx, tx)
	if err != nil {
		return 0, err
	}
	// With @ every window reads the same samples, so either all can be computed or
	// none.
	part, readsRaw := rawPart(entries, flow)
	if !readsRaw {
		earliest = 0 // it reads results of flows, which stay
	}
	if part.Expr.PinnedGone(earliest) {
		return 0, &progress.PinnedGoneError{Flow: flow.Def.Title(), Earliest: earliest}
	}
	// What the job will compute first. Asking for what cannot be rebuilt is refused
	// here, where the caller can be told; should retention overtake the job later,
	// it ends with the same words.
	first := flow.Def.Windows().Next(from)
	if first > to {
		return 0, pg.WithHint(fmt.Errorf("no window of flow %s ends between %s and %s", flow.Def.Title(), sequence.FormatTime(from), sequence.FormatTime(to)),
			"--to %s or later", sequence.FormatTime(first))
	}
	if rebuildable := part.FirstRebuildable(earliest); first < rebuildable {
		return 0, &progress.RetentionError{Flow: flow.Def.Title(), From: from, Earliest: rebuildable}
	}
	if err := tx.QueryRow(ctx, queries.JobInsert, flow.ID, from, to).Scan(&id); err != nil {
		return 0, err
	}
	return id, hintLook(ctx, j.db, tx)
}

// rawPart is what the flow reads of raw samples; ok is false when it reads none.
func rawPart(entries []applyplan.Entry, flow applyplan.Entry) (f flowdef.Flow, ok bool) {
	graph, at := graphOf(entries, flow)
	return graph.RawPart(at)
}

// graphOf is how the flows of the catalogue read each other, and the place of one.
func graphOf(entries []applyplan.Entry, flow applyplan.Entry) (graph *flowgraph.Graph, at int) {
	defs := make([]flowdef.Flow, len(entries))
	for i, e := range entries {
		defs[i] = e.Def
		if e.ID == flow.ID {
			at = i
		}
	}
	return flowgraph.New(defs), at
}

// List returns at most limit jobs, newest first.
func (j *Jobs) List(ctx context.Context, limit int) ([]progress.Job, error) {
	jobs, err := j.queryJobs(ctx, queries.JobList, nil, limit, nil)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// OfFlow returns at most limit jobs of one flow, newest first.
func (j *Jobs) OfFlow(ctx context.Context, flow progress.FlowID, limit int) ([]progress.Job, error) {
	jobs, err := j.queryJobs(ctx, queries.JobList, nil, limit, int32(flow))
	if err != nil {
		return nil, fmt.Errorf("list jobs of a flow: %w", err)
	}
	return jobs, nil
}

// Show returns one job. ErrNoJob when there is none with the id.
func (j *Jobs) Show(ctx context.Context, id int64) (progress.Job, error) {
	jobs, err := j.queryJobs(ctx, queries.JobList, id, 1, nil)
	if err != nil {
		return progress.Job{}, fmt.Errorf("show job %d: %w", id, err)
	}
	if len(jobs) == 0 {
		return progress.Job{}, noJob(id)
	}
	return jobs[0], nil
}

// Cancel ends a job that is not finished; the windows it has computed stay
// as they are. A job that is finished is left as it is, without an error.
// ErrNoJob when there is none with the id.
func (j *Jobs) Cancel(ctx context.Context, id int64) error {
	tag, err := j.db.Pool().Exec(ctx, queries.JobCancel, id)
	if err != nil {
		return fmt.Errorf("cancel job %d: %w", id, pg.Interpret(err))
	}
	// Finished, or not there: the second is an error.
	if tag.RowsAffected() == 0 {
		_, err = j.Show(ctx, id)
	}
	return err
}

// noJob says that there is no job with the id.
func noJob(id int64) error {
	return pg.WithHint(fmt.Errorf("job %s: %w", strconv.FormatInt(id, 10), ErrNoJob), "laminar job list")
}

// queryJobs runs a query that gives whole jobs.
func (j *Jobs) queryJobs(ctx context.Context, query string, args ...any) ([]progress.Job, error) {
	rows, err := j.db.Pool().Query(ctx, query, args...)
	if err != nil {
		return nil, pg.Interpret(err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j progress.Job, err error) {
		var state string
		if err := row.Scan(&j.ID, (*int32)(&j.Flow), &j.FlowName, &j.Kind, &j.From, &j.To, &j.NextT, &state,
			&j.WindowsDone, &j.RowsWritten, &j.Error, &j.CreatedAt, &j.StartedAt, &j.FinishedAt); err != nil {
			return j, err
		}
		j.State, err = progress.ParseJobState(state)
		return j, err
	})
	return jobs, pg.Interpret(err)
}
