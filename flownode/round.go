package flownode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// round is one round of a group: everything in it is read in one snapshot, at
// one position, so flows of a group agree with each other.
type round struct {
	node        *Node
	snap        Snapshot
	pos         sequence.Position
	deadline    time.Time // for work that can go on in the next round
	readSamples int64
	spanCache   map[spanKey][]segment.Span
	storedCache map[string][]segment.Info // of stored, by metrics
}

type spanKey struct {
	metrics     string
	after, upTo int64
}

// overBudget reports whether work that can wait should go on in the next
// round: a snapshot lives a few seconds at most.
func (r *round) overBudget() bool { return !r.node.cfg.Now().Before(r.deadline) }

// spans lists when the metrics have stored samples in (after, upTo].
func (r *round) spans(ctx context.Context, metrics []sequence.MetricID, after, upTo int64) ([]segment.Span, error) {
	key := spanKey{fmt.Sprint(metrics), after, upTo}
	if s, ok := r.spanCache[key]; ok {
		return s, nil
	}
	s, err := r.snap.Spans(ctx, segment.Select{Metrics: metrics, After: after, UpTo: upTo})
	if err != nil {
		return nil, fmt.Errorf("list when samples are stored: %w", err)
	}
	r.spanCache[key] = s
	return s, nil
}

// round brings the group's flows to the position of a new snapshot and commits
// what that changes. more says that work is left that need not wait.
func (g *group) round(ctx context.Context) (more bool, err error) {
	select {
	case g.node.rounds <- struct{}{}:
		defer func() { <-g.node.rounds }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	began := g.node.cfg.Now()
	if err := g.reload(ctx); err != nil {
		return false, err
	}
	// Before the snapshot: a round that waited for a second connection while it
	// holds one could wait for others that do the same.
	jobs, err := g.nextJobs(ctx)
	if err != nil {
		return false, err
	}
	snap, err := g.node.cfg.Snapshots.Snapshot(ctx)
	if err != nil {
		return false, fmt.Errorf("take a snapshot: %w", err)
	}
	closed := false
	closeSnap := func() error {
		if closed {
			return nil
		}
		closed = true
		return snap.Close(context.WithoutCancel(ctx))
	}
	defer func() {
		if cerr := closeSnap(); err == nil && cerr != nil {
			err = fmt.Errorf("close the snapshot: %w", cerr)
		}
	}()
	r := &round{
		node: g.node, snap: &watchedSnapshot{snap, g.node.link}, pos: snap.Position(), deadline: began.Add(g.node.cfg.RoundBudget),
		spanCache: map[spanKey][]segment.Span{},
	}
	g.skew = time.UnixMilli(r.pos.Now).Sub(began)
	if due, err := g.due(ctx, r, len(jobs)); err != nil || !due {
		return false, err
	}
	results, err := g.compute(ctx, r, jobs)
	if err != nil {
		// Pane state may be half advanced.
		g.breakAll()
		return false, err
	}
	if err := closeSnap(); err != nil {
		g.breakAll()
		return false, fmt.Errorf("close the snapshot: %w", err)
	}
	more, err = g.commit(ctx, results)
	g.node.metrics.observeRound(g, r, g.node.cfg.Now().Sub(began))
	return more, err
}

// flowResult is what a round makes of one flow.
type flowResult struct {
	flow *flowRun
	stepResult
}

// compute reads the delta and works out every flow's changes.
func (g *group) compute(ctx context.Context, r *round, jobs map[progress.FlowID]*progress.Job) ([]flowResult, error) {
	if err := g.extendMembers(ctx, r); err != nil {
		return nil, err
	}
	cohorts, err := g.cohorts(ctx, r)
	if err != nil {
		return nil, err
	}
	// A changed history has emptied members: read them again. So has the change
	// to computing windows whole.
	if err := g.extendMembers(ctx, r); err != nil {
		return nil, err
	}
	g.noticeHistograms(r)
	if err := g.extendMembers(ctx, r); err != nil {
		return nil, err
	}
	var steps []*stepping
	for _, c := range cohorts {
		if err := c.readDelta(ctx, r); err != nil {
			return nil, err
		}
		for _, f := range c.flows {
			s, err := f.begin(ctx, r, c.changed)
			if err != nil {
				return nil, fmt.Errorf("flow %s: %w", f.flow.Def.Name, err)
			}
			steps = append(steps, s)
		}
	}
	if err := buildStates(ctx, r, steps); err != nil {
		return nil, err
	}
	out := make([]flowResult, 0, len(steps))
	for _, s := range steps {
		res, err := s.step(ctx, jobs[s.flow.ID])
		if err != nil {
			return nil, fmt.Errorf("flow %s: %w", s.flow.Def.Name, err)
		}
		out = append(out, flowResult{s.flowRun, res})
	}
	return out, nil
}

// extendMembers takes in the series created since each flow last looked; it is
// evaluated once per series and never per sample.
func (g *group) extendMembers(ctx context.Context, r *round) error {
	type since struct {
		after sequence.Vector
		flows []*flowRun
	}
	byVector := map[string]*since{}
	for _, f := range g.flows {
		if f.broken || f.membersAt != nil && f.membersAt.Covers(r.pos.Vector) {
			continue
		}
		key := f.membersAt.String()
		if byVector[key] == nil {
			byVector[key] = &since{after: f.membersAt}
		}
		byVector[key].flows = append(byVector[key].flows, f)
	}
	for _, s := range byVector {
		series, err := r.snap.Series(ctx, metricNames(s.flows...), s.after, labelNames(s.flows...)...)
		if err != nil {
			return fmt.Errorf("list series created after %s: %w", s.after, err)
		}
		var adding sync.WaitGroup
		for _, f := range s.flows {
			f.membersAt = r.pos.Vector
			if len(series) < manySeries {
				f.addSeries(series)
				continue
			}
			adding.Go(func() { f.addSeries(series) })
		}
		adding.Wait()
	}
	return nil
}

// manySeries is from how many new series on each flow takes them in by a
// goroutine of its own.
const manySeries = 10_000

// labelNames is the labels that the flows' members depend on; nil for all.
func labelNames(flows ...*flowRun) []string {
	var names []string
	for _, f := range flows {
		for _, l := range f.leaves {
			own := l.Members.Labels()
			if own == nil {
				return nil
			}
			names = append(names, own...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// metricNames is the metrics that the flows can select; nil for any.
func metricNames(flows ...*flowRun) []string {
	var names []string
	for _, f := range flows {
		for _, l := range f.leaves {
			own := l.Def.Names()
			if own == nil {
				return nil
			}
			names = append(names, own...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nextJobs looks for refill jobs of the group's flows.
func (g *group) nextJobs(ctx context.Context) (map[progress.FlowID]*progress.Job, error) {
	ids := make([]progress.FlowID, 0, len(g.flows))
	for id := range g.flows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	jobs, err := g.node.cfg.Jobs.NextJobs(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look for refill jobs: %w", err)
	}
	out := make(map[progress.FlowID]*progress.Job, len(jobs))
	for i := range jobs {
		out[jobs[i].Flow] = &jobs[i]
	}
	return out, nil
}

// storeIdleAfter is how long the vector of a flow that nothing touched may stay
// unstored in a large group, of which not every flow then writes every round.
// flow wait waits as long at most.
const storeIdleAfter = 5 * time.Second

// smallGroup is up to how many flows of a group store their vector every round.
const smallGroup = 50

// commit stores the rounds in one transaction. Whatever is not known to be
// stored makes its flow load again from the database: state is a cache (I7).
func (g *group) commit(ctx context.Context, results []flowResult) (more bool, err error) {
	var (
		rounds []progress.Round
		owners []*flowRun
	)
	now := g.node.cfg.Now()
	for _, res := range results {
		more = more || res.more
		if res.idle && (res.flow.stored.Equal(res.round.To.Vector) || len(g.flows) > smallGroup && now.Sub(res.flow.storedAt) < storeIdleAfter) {
			res.flow.applied(res.round, false)
			continue
		}
		rounds = append(rounds, res.round)
		owners = append(owners, res.flow)
	}
	if len(rounds) == 0 {
		return more, nil
	}
	outcomes, err := g.node.cfg.Results.Commit(ctx, rounds)
	if err != nil {
		for _, f := range owners {
			f.broken = true
		}
		return false, fmt.Errorf("store results of %d flows: %w", len(rounds), err)
	}
	for i, o := range outcomes {
		f := owners[i]
		switch {
		case o.Err == nil:
			f.applied(rounds[i], true)
			f.storedAt = now
			g.node.metrics.rows.Add(float64(o.RowsWritten))
		case errors.Is(o.Err, sequence.ErrFenced):
			f.broken = true
			g.node.log.Warn("another owner has moved the flow's progress; loading it again", "flow", f.flow.Def.Name)
		default:
			f.broken = true
			err = errors.Join(err, fmt.Errorf("store results of flow %s: %w", f.flow.Def.Name, o.Err))
		}
	}
	return more && err == nil, err
}

// breakAll makes every flow of the group load again from the database.
func (g *group) breakAll() {
	for _, f := range g.flows {
		f.broken = true
	}
}
