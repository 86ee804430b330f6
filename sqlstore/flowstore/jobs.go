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
//	   |          |------> failed      it left out windows that retention had overtaken, say
//	   '----------'------> cancelled   by a person
//
// A job moves only in the commit of a round of its flow (I4), so the windows that
// it counts as done are stored. Cancelling is the exception: it takes effect before
// the next round, and what is computed stays.
//
// A job's position, next_t, begins at from and only grows: from <= next_t <= to. Every
// window with from < end <= next_t is done, or left out: then error says so from there on.

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

// idsOf is the jobs of refills.
func idsOf(jobs []Refill) []int64 {
	ids := make([]int64, len(jobs))
	for i, r := range jobs {
		ids[i] = r.Job
	}
	return ids
}

// Refill is a refill that goes with a request.
type Refill struct {
	Job      int64 // 0 while it is only planned
	ID       progress.FlowID
	Flow     string        // its title
	From, To sequence.Time // windows with From < end <= To
	Asked    bool          // the flow has the name that was given; the others read its results
	Refused  error         // why it is not accepted, of one that is planned; nil when it is
}

// CreateRefills asks for the windows of the flows of a name with from < end <= to (ms
// since the epoch) to be computed again: a record can have several rules. With cascade it
// asks also for those of the flows that read the results, in the order in which they are
// computed: of the windows that the refilled ones reach, up to the database's clock, as far
// as these can be rebuilt. All are asked for, or none. The flownode runs each within the
// rounds of its flow.
//
// It refuses with a progress.RetentionError when raw samples of such a window
// have been given up (I6), or results of its own that it reads are not kept any more, with a progress.UnknownFlowError when there is no
// such flow, and with a progress.EmptySpanError when no window ends in the span.
func (j *Jobs) CreateRefills(ctx context.Context, name string, from, to int64, cascade bool) (out []Refill, err error) {
	err = j.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		out, err = j.createRefills(ctx, tx, name, from, to, cascade)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create a refill: %w", pg.Interpret(err))
	}
	return out, nil
}

// PlanRefills is what CreateRefills would ask for, and what of it would be refused. It
// changes nothing.
func (j *Jobs) PlanRefills(ctx context.Context, name string, from, to int64, cascade bool) (out []Refill, err error) {
	err = j.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		out, err = planRefills(ctx, tx, name, from, to, cascade)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("plan a refill: %w", pg.Interpret(err))
	}
	return out, nil
}

// createRefills is CreateRefills in a transaction of the caller.
func (j *Jobs) createRefills(ctx context.Context, tx pgx.Tx, name string, from, to int64, cascade bool) ([]Refill, error) {
	out, err := planRefills(ctx, tx, name, from, to, cascade)
	if err != nil {
		return nil, err
	}
	for i := range out {
		r := &out[i]
		if r.Refused != nil {
			return nil, r.Refused
		}
		if err := tx.QueryRow(ctx, queries.JobInsert, int32(r.ID), r.From, r.To).Scan(&r.Job); err != nil {
			return nil, err
		}
	}
	return out, hintLook(ctx, j.db, tx)
}

// planRefills decides which refills go with a request, in the order in which they are to be
// made.
func planRefills(ctx context.Context, tx pgx.Tx, name string, from, to int64, cascade bool) (out []Refill, err error) {
	entries, err := readCatalogue(ctx, tx)
	if err != nil {
		return nil, err
	}
	flows, err := find(entries, name)
	if err != nil {
		return nil, err
	}
	// What is due counts as given up: retention may not have been applied for a while.
	earliest, err := raw.Due(ctx, tx)
	if err != nil {
		return nil, err
	}
	graph, place := graphOf(entries)
	asked := map[int32]bool{}
	for _, flow := range flows {
		asked[flow.ID] = true
		out = append(out, Refill{
			ID: progress.FlowID(flow.ID), Flow: flow.Def.Title(), From: from, To: to, Asked: true,
			Refused: applyplan.CannotRefill(graph, place[flow.ID], &flow.Def, from, to, earliest),
		})
		if r := &out[len(out)-1]; r.Refused == nil {
			if r.Refused, err = goesOn(ctx, tx, &flow, from); err != nil {
				return nil, err
			}
		}
	}
	if !cascade {
		return out, nil
	}
	var now time.Time
	if err := tx.QueryRow(ctx, queries.Clock).Scan(&now); err != nil {
		return nil, err
	}
	// Rules of a record are read together: what reads several of them is refilled once.
	above := map[int]sequence.Span{}
	var order []int
	for _, flow := range flows {
		for _, r := range graph.Downstream(place[flow.ID], sequence.Span{After: from, UpTo: to}) {
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
		flow := entries[i]
		if asked[flow.ID] {
			continue
		}
		ends := sequence.Span{After: above[i].After, UpTo: min(above[i].UpTo, now.UnixMilli())}
		if part, readsRaw := graph.RawPart(i); readsRaw {
			ends.After = max(ends.After, part.FirstRebuildable(earliest)-1)
		}
		if flow.Def.Windows().Next(ends.After) > ends.UpTo {
			continue
		}
		out = append(out, Refill{
			ID: progress.FlowID(flow.ID), Flow: flow.Def.Title(), From: ends.After, To: ends.UpTo,
			Refused: applyplan.CannotRefill(graph, i, &flow.Def, ends.After, ends.UpTo, earliest),
		})
	}
	return out, nil
}

// goesOn is applyplan.GoesOn as the flow stands.
func goesOn(ctx context.Context, tx pgx.Tx, flow *applyplan.Entry, from sequence.Time) (refused, err error) {
	var newest, newestAt, emitted sequence.Time
	if err := tx.QueryRow(ctx, queries.FlowReached, flow.ID).Scan(&newest, &newestAt, &emitted); err != nil {
		return nil, err
	}
	return applyplan.GoesOn(&flow.Def, from, flow.Def.KeptFrom(newest, newestAt, emitted)), nil
}

// graphOf is how the flows of the catalogue read each other, and the place of each by id.
func graphOf(entries []applyplan.Entry) (graph *flowgraph.Graph, place map[int32]int) {
	defs := make([]flowdef.Flow, len(entries))
	place = make(map[int32]int, len(entries))
	for i, e := range entries {
		defs[i], place[e.ID] = e.Def, i
	}
	return flowgraph.New(defs), place
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
