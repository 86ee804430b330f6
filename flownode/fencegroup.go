package flownode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/sequence"
)

// fenceGroup is the flows that share rounds, so that all of them see one vector.
// One goroutine works it; only wake and heads are for others.
type fenceGroup struct {
	*process
	name    string
	trigger trigger
	flows   map[progress.FlowID]*owned
	wake    chan struct{}        // holds one token: something may have changed
	heads   chan []progress.Head // what the catalogue says, newest only
	skew    time.Duration        // database clock minus ours, as of the last round

	last    time.Time // when the last round began
	pending bool      // something may have changed since
}

// owned is a flow of the group. This process may have to become its owner first.
type owned struct {
	run       *round.Flow // as of the last time it was loaded; nil before the first time
	hash      [32]byte    // of the definition, as the catalogue's head had it
	broken    bool        // run cannot be trusted: it is to be loaded again
	takeAfter time.Time   // when a flow that could not be taken over is tried again
}

func newFenceGroup(p *process, name string) *fenceGroup {
	return &fenceGroup{
		process: p, name: name, flows: map[progress.FlowID]*owned{},
		wake: make(chan struct{}, 1), heads: make(chan []progress.Head, 1), pending: true,
	}
}

// poke makes the group look for work soon. It never blocks.
func (g *fenceGroup) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// assign tells the group which flows it has. It never blocks: only the newest
// word counts.
func (g *fenceGroup) assign(heads []progress.Head) {
	for {
		select {
		case g.heads <- heads:
			return
		default:
		}
		select {
		case <-g.heads:
		default:
		}
	}
}

// retryAfter is how long a group waits after a round that failed.
const retryAfter = time.Second

// work works the group until ctx ends.
func (g *fenceGroup) work(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case heads := <-g.heads:
			g.adopt(heads)
		case <-g.wake:
			g.pending = true
		case <-timer.C:
		}
		wait := g.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		timer.Reset(wait)
	}
}

// idleTurn is how long a group that waits for nothing but a wake waits.
const idleTurn = time.Hour

// turn makes a round if one is due, and says how long until one can be due
// without a wake.
func (g *fenceGroup) turn(ctx context.Context) (wait time.Duration) {
	now := g.cfg.Now()
	at, ok := g.nextRound(g.last, g.pending, now)
	if !ok {
		return idleTurn
	}
	if wait := at.Sub(now); wait > 0 {
		return wait
	}
	g.last, g.pending = now, false
	more, err := g.round(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		level := g.log.Error
		if errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrSnapshotGone) {
			level = g.log.Warn
		}
		level("round failed; the flows are loaded again", "group", g.name, "err", err)
		g.metrics.roundErrors.WithLabelValues(g.name).Inc()
		g.pending = true
		g.last = g.cfg.Now().Add(retryAfter) // counts as begun later, so the next one waits
		return retryAfter
	case more:
		g.pending, g.last = true, time.Time{}
	}
	return 0
}

// nextRound is when the next round begins: as the trigger says when something
// may have changed, or when time alone brings work. ok is false when there is
// nothing to wait for but a wake.
func (g *fenceGroup) nextRound(last time.Time, pending bool, now time.Time) (at time.Time, ok bool) {
	if len(g.flows) == 0 {
		return time.Time{}, false
	}
	if g.trigger.cron != nil {
		if last.IsZero() {
			return now, true // the first round loads the flows
		}
		return g.trigger.next(last), true
	}
	if pending {
		return g.trigger.next(last), true
	}
	earliest := progress.Unset
	for _, f := range g.flows {
		if d := f.deadline(); d != progress.Unset && (earliest == progress.Unset || d < earliest) {
			earliest = d
		}
	}
	if earliest == progress.Unset {
		return time.Time{}, false
	}
	at = time.UnixMilli(earliest).Add(-g.skew)
	if soonest := g.trigger.next(last); at.Before(soonest) {
		at = soonest
	}
	return at, true
}

// deadline is when, by the database's clock, time alone brings work for the
// flow, loading it again included. Unset when it never does.
func (f *owned) deadline() int64 {
	if f.broken {
		return max(0, f.takeAfter.UnixMilli())
	}
	return f.run.Deadline()
}

// adopt makes the group's flows those that the heads name: new and changed ones
// are loaded by the next round.
func (g *fenceGroup) adopt(heads []progress.Head) {
	g.pending = true
	named := make(map[progress.FlowID]progress.Head, len(heads))
	for _, h := range heads {
		named[h.ID] = h
	}
	for id, f := range g.flows {
		if h, ok := named[id]; !ok {
			delete(g.flows, id)
			g.forget(f)
		} else if h.Hash != f.hash || f.run != nil && h.Epoch > f.run.Epoch {
			// A higher epoch: another owner was there, perhaps by mistake, and
			// left a dirty list that is not in memory here.
			f.broken, f.hash = true, h.Hash
		}
	}
	for id, h := range named {
		if g.flows[id] == nil {
			g.flows[id] = &owned{hash: h.Hash, broken: true}
		}
	}
}

// forget stops showing a flow.
func (g *fenceGroup) forget(f *owned) {
	if f.run != nil {
		g.metrics.forget(f.run.Def.Name)
	}
}

// takeAgainAfter is how long a flow that cannot be taken over is left alone.
const takeAgainAfter = 5 * time.Second

// reload loads flows whose state cannot be trusted, becoming their owner.
func (g *fenceGroup) reload(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(g.flows)) {
		f := g.flows[id]
		if !f.broken || g.cfg.Now().Before(f.takeAfter) {
			continue
		}
		run, err := g.take(ctx, id)
		switch {
		case errors.Is(err, sequence.ErrUnavailable) || ctx.Err() != nil:
			return err
		case err != nil:
			// One flow that cannot be taken over must not hold up the others.
			g.log.Error("flow stands still; trying again", "flow", id, "group", g.name, "err", err)
			g.metrics.roundErrors.WithLabelValues(g.name).Inc()
			f.takeAfter = g.cfg.Now().Add(takeAgainAfter)
			continue
		}
		g.flows[id] = &owned{run: run, hash: f.hash}
	}
	return nil
}

// take becomes the owner of a flow and loads it.
func (g *fenceGroup) take(ctx context.Context, id progress.FlowID) (*round.Flow, error) {
	loaded, err := g.cfg.Catalog.Take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("take over flow %d: %w", id, err)
	}
	run, err := round.NewFlow(loaded)
	if err != nil {
		return nil, err
	}
	if g.trigger, err = newTrigger(loaded.Def.Trigger); err != nil {
		return nil, fmt.Errorf("flow %s: %w", loaded.Def.Name, err)
	}
	g.log.Info("took over flow", "flow", loaded.Def.Name, "group", g.name, "epoch", loaded.Epoch,
		"vector", loaded.Vector.String(), "dirty", len(loaded.Dirty))
	return run, nil
}

// whole is the flows that can be trusted, by id.
func (g *fenceGroup) whole() []*round.Flow {
	out := make([]*round.Flow, 0, len(g.flows))
	for _, id := range slices.Sorted(maps.Keys(g.flows)) {
		if f := g.flows[id]; !f.broken {
			out = append(out, f.run)
		}
	}
	return out
}

// breakAll makes every flow of the group load again from the database.
func (g *fenceGroup) breakAll() {
	for _, f := range g.flows {
		f.broken = true
	}
}

// round brings the group's flows to the position of a new snapshot and commits
// what that changes. more says that work is left that need not wait.
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
	r, results, err := g.compute(ctx, began, jobs)
	if err != nil || r == nil {
		return false, err
	}
	more, err = g.commit(ctx, results)
	g.metrics.observeRound(g.name, g.whole(), r, g.cfg.Now().Sub(began))
	return more, err
}

// compute computes a round in a snapshot of its own, which is closed before
// anything is committed. The reader is nil when no round is due.
func (g *fenceGroup) compute(ctx context.Context, began time.Time, jobs map[progress.FlowID]*progress.Job) (r *read.Reader, results []round.Result, err error) {
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
			g.breakAll()
		}
	}()
	reader := read.NewReader(&g.reading, snap, snap)
	g.skew = time.UnixMilli(reader.Pos.Now).Sub(began)
	if due, err := g.due(ctx, reader, len(jobs)); err != nil || !due {
		return nil, nil, err
	}
	limits := round.Limits{Deadline: began.Add(g.cfg.RoundBudget), Flows: g.process.flows.Load()}
	results, counts, err := g.machine.Compute(ctx, reader, limits, g.whole(), jobs)
	g.metrics.count(counts, reader)
	return reader, results, err
}

// nextJobs looks for refill jobs of the group's flows.
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

// commit stores the results in one transaction. A flow whose result is not known
// to be stored is loaded again from the database: state is a cache (I7).
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
			continue
		}
		rounds, stored = append(rounds, res.Round), append(stored, res)
	}
	if len(rounds) == 0 {
		return more, nil
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
			res.Committed(now)
			g.metrics.rows.Add(float64(o.RowsWritten))
			continue
		}
		g.flows[res.Flow.ID].broken = true
		if errors.Is(o.Err, sequence.ErrFenced) {
			g.log.Warn("another owner has moved the flow's progress; loading it again", "flow", res.Flow.Def.Name)
			continue
		}
		err = errors.Join(err, fmt.Errorf("store results of flow %s: %w", res.Flow.Def.Name, o.Err))
	}
	return more && err == nil, err
}

// headSum is equal for equal lists of heads.
func headSum(heads []progress.Head) string {
	sum := make([]string, len(heads))
	for i, h := range heads {
		sum[i] = fmt.Sprintf("%d:%x:%d", h.ID, h.Hash, h.Epoch)
	}
	slices.Sort(sum)
	return strings.Join(sum, " ")
}
