package flownode

// One round of a fence group, from the snapshot to the commit.
// Before: nothing is held; the group's flows stand where they are stored.
// After: they stand at the round's vector, stored or waiting to be; or they are
// broken and the next round loads them.
//
// Connections are held one at a time: reload and nextJobs give theirs back before
// the snapshot takes one, and the snapshot is closed before the commit takes one. A
// round that held one connection while it waited for another could wait for rounds
// that do the same, and none would ever go on.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"laminar/flownode/alertround"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/sequence"
)

// due decides, in the round's snapshot, whether a trigger that counts samples or
// sequences has been reached: by the flow of the group that has most of them
// pending. Other triggers are due whenever a round begins, and so is a group that
// has refill jobs.
//
// It counts from metadata of segments and reads no samples, unless they are counted by
// group. Segments of a flow's
// metrics may hold series that the flow does not select, so a round can come early
// by that count, and never late.
func (g *fenceGroup) due(ctx context.Context, r *read.Reader, jobs int) (bool, error) {
	if jobs > 0 || !g.trigger.counts() || g.pressing(r) {
		return true, nil
	}
	def := g.trigger.def
	var most int64
	for _, f := range g.flows {
		if f.run == nil || f.run.MembersAt == nil {
			return true, nil // its first round
		}
		if def.Sequences > 0 {
			var n int64
			for _, rng := range f.run.Vector.Delta(r.Pos.Vector) {
				n += rng.Len()
			}
			most = max(most, n)
			continue
		}
		metrics := f.run.Leaves.Metrics()
		if len(metrics) == 0 {
			return true, nil
		}
		if def.Per != "" { // group
			n, err := f.pending.Count(ctx, r, f.run, def.Samples)
			if err != nil {
				return false, err
			}
			most = max(most, n)
			continue
		}
		infos, err := r.Infos(ctx, metrics, f.run.Vector)
		if err != nil {
			return false, fmt.Errorf("count pending samples of %s: %w", f.run.Def.Name, err)
		}
		var n int64
		for i := range infos {
			n += infos[i].Samples
		}
		most = max(most, n)
	}
	return most >= max(def.Samples, def.Sequences), nil
}

// pressing reports whether time alone brings work now: dirty windows are ready, or
// the watermark follows the clock past the end of a window, for example. Then a
// round is needed however few samples are pending.
func (g *fenceGroup) pressing(r *read.Reader) bool {
	for _, f := range g.flows {
		if at := f.deadline(); at >= 0 && at <= r.Pos.Now {
			return true
		}
	}
	return false
}

// round brings the group's flows to the position of a new snapshot and commits the
// changes. more says that work is left that need not wait.
//
// At most Config.MaxRounds groups make a round at one time, each with one
// connection beside those of its lanes: most connections are for taking samples in,
// which must not wait for flows. A group that has to wait for its turn uses none.
func (g *fenceGroup) round(ctx context.Context) (more bool, err error) {
	select {
	case g.rounds <- struct{}{}:
		defer func() { <-g.rounds }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	began := g.cfg.Now()
	if err := g.reload(ctx); err != nil {
		return false, err
	}
	// Before the snapshot: a round that waited for a second connection while it
	// holds one could wait for others that do the same.
	jobs, err := g.nextJobs(ctx)
	if err != nil {
		return false, err
	}
	together, apart := g.divide()
	if more, err = g.part(ctx, began, together, jobs); err != nil {
		return false, err
	}
	for _, flows := range apart {
		also, err := g.part(ctx, began, flows, jobs)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		for _, f := range flows {
			if own := g.flows[f.ID]; err != nil {
				g.setAside(f.ID, own, err)
			} else if !own.broken {
				own.apart, more = false, more || also
			}
		}
	}
	return more, nil
}

// part is the round of some flows of the group, with a snapshot and a commit of its
// own: of all flows that have not failed, or of one that has.
func (g *fenceGroup) part(ctx context.Context, began time.Time, flows []*round.Flow, jobs map[progress.FlowID]*progress.Job) (more bool, err error) {
	if len(flows) == 0 {
		return false, nil
	}
	defer g.allowance.Over(g.cascade)
	r, results, err := g.compute(ctx, began, flows, jobs)
	if err != nil || r == nil {
		return false, err
	}
	more, err = g.commit(ctx, results)
	now := g.cfg.Now()
	kept := g.memory.saw(flows, now.Sub(began), now)
	for i, f := range flows {
		g.allowance.Kept(f.ID, kept[i].Bytes)
	}
	g.metrics.observeRound(g.name, flows, kept, r, now.Sub(began))
	return more, err
}

// compute computes a round in a snapshot of its own, which is closed before
// anything is committed: a commit that waits for a lock must not hold back vacuum.
// The reader is nil when no round is due.
func (g *fenceGroup) compute(ctx context.Context, began time.Time, flows []*round.Flow, jobs map[progress.FlowID]*progress.Job) (r *read.Reader, results []round.Result, err error) {
	snap, err := g.cfg.Snapshots.Snapshot(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("take a snapshot: %w", err)
	}
	defer func() {
		if cerr := snap.Close(context.WithoutCancel(ctx)); err == nil && cerr != nil {
			err = fmt.Errorf("close the snapshot: %w", cerr)
		}
		if err != nil && r != nil {
			// Pane state may be half advanced.
			g.breakAll(flows)
		}
	}()
	reader := read.NewReader(&g.reading, snap, snap)
	g.skew = time.UnixMilli(reader.Pos.Now).Sub(began)
	if due, err := g.due(ctx, reader, len(jobs)); err != nil || !due {
		return nil, nil, err
	}
	g.cascade.Tables, g.cascade.Commits, g.cascade.Absent = snap, snap, absent(g.flows)
	limits := round.Limits{Deadline: began.Add(g.cfg.RoundBudget), Flows: g.process.flows.Load()}
	results, counts, err := g.machine.Compute(ctx, reader, g.cascade, limits, flows, jobs)
	g.metrics.count(counts, reader)
	for _, f := range g.cascade.Held() {
		g.stands(f.ID, g.flows[f.ID], errHeldUp, true)
	}
	return reader, results, err
}

// errHeldUp is why a flow does not move that is connected with one that cannot be
// loaded: alone it would disagree with what it reads, or with what reads it.
var errHeldUp = errors.New("held up: a flow that it reads, or that reads it, cannot be loaded")

// nextJobs looks for refill jobs of the group's flows: the oldest of each, since a
// flow works on one job at a time. It asks in every round, whether the poll has
// found jobs or not: a job must be read again after each of its steps.
func (g *fenceGroup) nextJobs(ctx context.Context) (map[progress.FlowID]*progress.Job, error) {
	jobs, err := g.cfg.Jobs.NextJobs(ctx, slices.Sorted(maps.Keys(g.flows)))
	if err != nil {
		return nil, fmt.Errorf("look for refill jobs: %w", err)
	}
	out := make(map[progress.FlowID]*progress.Job, len(jobs))
	for i := range jobs {
		out[jobs[i].Flow] = &jobs[i]
	}
	return out, nil
}

// alerts folds the alerting rules among the flows over their rounds, and adds to these
// what is to be stored of the alerts.
func (g *fenceGroup) alerts(ctx context.Context, rounds []progress.Round) (map[progress.FlowID]*alertround.Outcome, error) {
	out := map[progress.FlowID]*alertround.Outcome{}
	for i := range rounds {
		r := &rounds[i]
		f := g.flows[r.Flow]
		if f.alerts == nil || g.cfg.Alerts == nil {
			continue
		}
		o, err := g.cfg.Alerts.Round(ctx, f.alerts, r, f.run.EmittedUntil)
		if err != nil {
			return nil, fmt.Errorf("alerts of %s: %w", f.title, err)
		}
		out[r.Flow] = o
		if !o.Update.Empty() {
			r.Alerts = o.Update
		}
	}
	return out, nil
}

// commit stores the results in one transaction, so that the flows of the group move
// together. A flow whose result is not known to be stored is loaded again: the
// stored vector tells whether the commit happened (I4, I7).
//
//	outcome of a flow      the flow                        the round
//	stored                 goes on from it                 succeeds
//	idle, may wait         goes on, not stored             succeeds
//	fenced                 is loaded again                 succeeds
//	refused                is set aside, loaded again      succeeds for the others
//	error of the whole     all are loaded again            fails
func (g *fenceGroup) commit(ctx context.Context, results []round.Result) (more bool, err error) {
	var (
		rounds []progress.Round
		stored []*round.Result
		now    = g.cfg.Now()
	)
	for i := range results {
		res := &results[i]
		more = more || res.More
		if res.MayWait(len(g.flows), now) {
			res.Waits()
			g.moves(res.Flow.ID)
			continue
		}
		rounds, stored = append(rounds, res.Round), append(stored, res)
	}
	if len(rounds) == 0 {
		return more, nil
	}
	alerts, err := g.alerts(ctx, rounds)
	if err != nil {
		for _, res := range stored {
			g.flows[res.Flow.ID].broken = true
		}
		return false, err
	}
	outcomes, err := g.cfg.Results.Commit(ctx, rounds)
	if err != nil {
		for _, res := range stored {
			g.flows[res.Flow.ID].broken = true
		}
		return false, fmt.Errorf("store results of %d flows: %w", len(rounds), err)
	}
	for i, o := range outcomes {
		res := stored[i]
		if o.Err == nil {
			res.Committed(now, o)
			if o := alerts[res.Flow.ID]; o != nil {
				g.flows[res.Flow.ID].alerts.Committed(o)
			}
			g.moves(res.Flow.ID)
			g.metrics.rows.Add(float64(o.RowsWritten))
			if o.LeftOut > 0 {
				g.metrics.leftOut.WithLabelValues(g.flows[res.Flow.ID].title).Add(float64(o.LeftOut))
			}
			if late := res.Round.Late; late != nil && late.Samples > 0 {
				g.metrics.late.WithLabelValues(g.flows[res.Flow.ID].title).Add(float64(late.Samples))
			}
			if o.Clashes > 0 {
				g.metrics.clashes.WithLabelValues(g.flows[res.Flow.ID].title).Add(float64(o.Clashes))
				g.log.Warn("rules of one record give the same row", "flow", g.flows[res.Flow.ID].title, "rows", o.Clashes)
			}
			continue
		}
		own := g.flows[res.Flow.ID]
		own.broken = true
		if errors.Is(o.Err, sequence.ErrFenced) {
			g.log.Warn("another owner has moved the flow's progress; loading it again", "flow", own.title)
			continue
		}
		g.setAside(res.Flow.ID, own, fmt.Errorf("store results of flow %s: %w", own.title, o.Err))
	}
	return more, nil
}
