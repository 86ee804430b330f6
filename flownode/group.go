package flownode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// group is the flows that share rounds (a fence group). It is worked by one
// goroutine; only wake is for others.
type group struct {
	node    *Node
	name    string
	trigger trigger
	flows   map[progress.FlowID]*flowRun
	wake    chan struct{}        // holds one token: something may have changed
	heads   chan []progress.Head // what the catalogue says, newest only
	skew    time.Duration        // database clock minus ours, as of the last round
	known   string               // the heads it was told last; belongs to the node

	last    time.Time // when the last round began
	pending bool      // something may have changed since
}

func newGroup(n *Node, name string) *group {
	return &group{
		node: n, name: name, flows: map[progress.FlowID]*flowRun{},
		wake: make(chan struct{}, 1), heads: make(chan []progress.Head, 1), pending: true,
	}
}

// poke makes the group look for work soon. It never blocks.
func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// assign tells the group which flows it has. It never blocks: only the newest
// word counts.
func (g *group) assign(heads []progress.Head) {
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

// run works the group until ctx ends.
func (g *group) run(ctx context.Context) error {
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
func (g *group) turn(ctx context.Context) (wait time.Duration) {
	now := g.node.cfg.Now()
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
		level := g.node.log.Error
		if errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrSnapshotGone) {
			level = g.node.log.Warn
		}
		level("round failed; the flows are loaded again", "group", g.name, "err", err)
		g.node.metrics.roundErrors.WithLabelValues(g.name).Inc()
		g.pending = true
		g.last = g.node.cfg.Now().Add(retryAfter) // counts as begun later, so the next one waits
		return retryAfter
	case more:
		g.pending, g.last = true, time.Time{}
	}
	return 0
}

// nextRound is when the next round begins: as the trigger says when something
// may have changed, or when time alone brings work. ok is false when there is
// nothing to wait for but a wake.
func (g *group) nextRound(last time.Time, pending bool, now time.Time) (at time.Time, ok bool) {
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
// flow: it is to be loaded again, its vector to be stored, dirty windows become
// ready, or the watermark follows the clock past the end of a window. Unset when
// it never does.
func (f *flowRun) deadline() int64 {
	if f.broken {
		return max(0, f.takeAfter.UnixMilli())
	}
	next := f.dirty.NextReady()
	if at := f.storedAt.Add(storeIdleAfter).UnixMilli(); !f.stored.Equal(f.flow.Vector) && (next == progress.Unset || at < next) {
		next = at
	}
	if at := f.notBefore.UnixMilli(); f.postponed && (next == progress.Unset || at < next) {
		next = at
	}
	if q := f.clock.QuietDeadline(); q != progress.Unset && f.flow.EmittedUntil != progress.Unset && !f.pinnedGone && f.pendingOpen() {
		def := &f.flow.Def
		close := max(q, flowplan.NextEnd(f.flow.EmittedUntil, def.Every)+def.CloseDelay(), def.ClosesFrom())
		if next == progress.Unset || close < next {
			next = close
		}
	}
	return next
}

// pendingOpen reports whether a window that is still open may get a result:
// some pane state reaches beyond what was emitted, or is not in memory.
func (f *flowRun) pendingOpen() bool {
	for _, l := range f.leaves {
		if l.State == nil {
			if len(l.Members.Series) > 0 {
				return pane.FloorEnd(f.clock.Newest, l.Step)+f.flow.Def.Expr.MaxReach+l.Step >= f.flow.EmittedUntil
			}
			continue
		}
		after, _ := l.Span(f.flow.EmittedUntil + l.Step)
		if l.State.Beyond(after) {
			return true
		}
	}
	return false
}

// adopt takes note of which flows the group has now: new and changed ones are
// loaded by the next round.
func (g *group) adopt(heads []progress.Head) {
	g.pending = true
	keep := make(map[progress.FlowID]progress.Head, len(heads))
	for _, h := range heads {
		keep[h.ID] = h
	}
	for id, f := range g.flows {
		if h, ok := keep[id]; !ok {
			delete(g.flows, id)
			g.node.metrics.forget(f.flow.Def.Name)
		} else if h.Hash != f.hash || h.Epoch > f.flow.Epoch {
			// A higher epoch: another owner was there, perhaps by mistake, and
			// left a dirty list that is not in memory here.
			f.broken, f.hash = true, h.Hash
		}
	}
	for id, h := range keep {
		if g.flows[id] == nil {
			g.flows[id] = &flowRun{flow: progress.Flow{ID: id}, hash: h.Hash, broken: true, dirty: flowplan.NewDirtyList()}
		}
	}
}

// reload loads flows whose state cannot be trusted, becoming their owner.
func (g *group) reload(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(g.flows)) {
		f := g.flows[id]
		if !f.broken {
			continue
		}
		if g.node.cfg.Now().Before(f.takeAfter) {
			continue
		}
		run, err := g.take(ctx, id)
		switch {
		case errors.Is(err, sequence.ErrUnavailable) || ctx.Err() != nil:
			return err
		case err != nil:
			// One flow that cannot be taken over must not hold up the others.
			g.node.log.Error("flow stands still; trying again", "flow", id, "group", g.name, "err", err)
			g.node.metrics.roundErrors.WithLabelValues(g.name).Inc()
			f.takeAfter = g.node.cfg.Now().Add(takeAgainAfter)
			continue
		}
		run.hash = f.hash
		g.flows[id] = run
	}
	return nil
}

// takeAgainAfter is how long a flow that cannot be taken over is left alone.
const takeAgainAfter = 5 * time.Second

// take becomes the owner of a flow and loads it.
func (g *group) take(ctx context.Context, id progress.FlowID) (*flowRun, error) {
	loaded, err := g.node.cfg.Catalog.Take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("take over flow %d: %w", id, err)
	}
	run, err := newFlowRun(loaded)
	if err != nil {
		return nil, err
	}
	if g.trigger, err = newTrigger(loaded.Def.Trigger); err != nil {
		return nil, fmt.Errorf("flow %s: %w", loaded.Def.Name, err)
	}
	g.node.log.Info("took over flow", "flow", loaded.Def.Name, "group", g.name, "epoch", loaded.Epoch,
		"vector", loaded.Vector.String(), "dirty", len(loaded.Dirty))
	return run, nil
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
