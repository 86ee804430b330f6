package flownode

// The flows of a fence group, and which of them this process may work on.
// Before: the catalogue names flows; none is owned.
// After reload: each flow is owned at its newest epoch and can be trusted, or is
// broken and left out of rounds. A flow that can be trusted and has failed before is
// computed apart from the others (stall.go).
//
//	          adopt                 reload                    round stored
//	(none) ─────────> broken ─────────────────> trusted ──────────────────> trusted
//	                    ^  │ cannot be taken       │
//	                    │  └─ again after 5 s      │ error, fenced, other definition or
//	                    └──────────────────────────┘ table, higher epoch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"laminar/flownode/alertround"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/pending"
	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/sequence"
)

// fenceGroup is the flows that share rounds, so that all of them see one vector.
// One goroutine works it; others use only wake, heads and looks, through poke, assign and
// Node.Inspect.
//
//	G1  every flow of flows has run != nil, or is broken
//	G2  the flows that are not broken stand where the last stored round left them,
//	    at the epoch that this process took (round.F1)
//	G3  trigger is that of the flows that were taken; where they have several, because
//	    they read each other and were defined apart, the one that is due first
type fenceGroup struct {
	*process
	name    string
	trigger trigger
	cascade *round.Cascade
	flows   map[progress.FlowID]*owned
	wake    chan struct{}        // holds one token: something may have changed
	heads   chan []progress.Head // what the catalogue says, newest only
	looks   chan func()          // called between rounds, for those who look at the flows
	skew    time.Duration        // database clock minus this process's, as of the last round

	last    time.Time // when the last round began
	pending bool      // something may have changed since
	retryAt time.Time // when a round that has failed is made again; zero if the last one succeeded

	again []progress.FlowID // flows that move again, which the catalogue does not know yet
}

// owned is a flow of the group. This process may have to become its owner first.
type owned struct {
	run       *round.Flow      // as of the last time it was loaded; nil before the first time
	alerts    *alertround.Rule // of run, where it is an alerting rule
	hash      [32]byte         // of the definition, as the catalogue's head had it
	broken    bool             // run cannot be trusted: it is to be loaded again
	takeAfter time.Time        // when a flow that could not be taken over is tried again
	title     string           // for people
	shape     string           // of its table, as of when it was loaded
	apart     bool             // computed and committed apart from the others, since it has failed
	fails     failure          // why it stands still
	pending   pending.Pending  // samples by group, for a trigger that counts them so
	unsaid    bool             // the catalogue may still say that it stands still, from an earlier owner
}

func newFenceGroup(p *process, name string) *fenceGroup {
	return &fenceGroup{
		process: p, name: name, cascade: round.NewCascade(), flows: map[progress.FlowID]*owned{},
		wake: make(chan struct{}, 1), heads: make(chan []progress.Head, 1), looks: make(chan func()), pending: true,
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

// deadline is when, by the database's clock in ms, time alone brings work for the
// flow, loading it again included; sequence.NoTime when it never does. A flow that is
// to be loaded is due at once (0), or at takeAfter. That is a time of this process's
// own clock: for a pause of seconds the difference of the clocks does not matter.
func (f *owned) deadline() int64 {
	if f.broken {
		return max(0, f.takeAfter.UnixMilli())
	}
	return f.run.Deadline()
}

// adopt makes the group's flows those that the heads name: new and changed ones are
// loaded by the next round, and those that are gone are dropped with their caches.
// Their tables and progress are the store's.
func (g *fenceGroup) adopt(heads []progress.Head) {
	g.pending = true
	named := make(map[progress.FlowID]progress.Head, len(heads))
	for _, h := range heads {
		named[h.ID] = h
	}
	for id, f := range g.flows {
		if h, ok := named[id]; !ok {
			delete(g.flows, id)
			g.forget(id, f)
		} else if h.Hash != f.hash || f.run != nil && h.Epoch > f.run.Epoch {
			// A higher epoch: another owner was there, perhaps by mistake, and
			// left a dirty list that is not in memory here.
			f.broken, f.hash = true, h.Hash
		} else if h.Shape != f.shape {
			// The result table was changed by hand. Loading the flow checks whether it
			// can still be written to, before results are lost in it.
			f.broken, f.shape, f.takeAfter = true, h.Shape, time.Time{}
		}
	}
	for id, h := range named {
		if g.flows[id] == nil {
			g.flows[id] = &owned{hash: h.Hash, broken: true, title: h.Name, shape: h.Shape}
		}
	}
}

// forget removes a flow from the metrics. Without it a flow that was deleted would
// be shown with its last values until the process ends.
func (g *fenceGroup) forget(id progress.FlowID, f *owned) {
	g.standing.moves(id)
	g.memory.forget(id)
	g.allowance.Kept(id, 0)
	g.metrics.forget(f.title)
}

// takeAgainAfter is how long a flow that cannot be taken over is left alone.
const takeAgainAfter = 5 * time.Second

// reload loads the flows whose state cannot be trusted, and becomes their owner.
// When the database is out of reach the round ends, and all are tried again. A
// single flow that cannot be taken, because another program made its table for
// example, is left out of the rounds and tried again later.
func (g *fenceGroup) reload(ctx context.Context) error {
	taken := false
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
			g.setAside(id, f, err)
			continue
		}
		f.alerts = alertround.NewRule(&run.Flow)
		f.run, f.broken, f.takeAfter, f.shape, f.unsaid = run, false, time.Time{}, run.Shape, true
		taken = true
	}
	if taken {
		g.trigger = soonest(g.flows)
	}
	return nil
}

// soonest is the trigger of a group's flows that is due first (G3).
func soonest(flows map[progress.FlowID]*owned) trigger {
	var out trigger
	first := true
	for _, id := range slices.Sorted(maps.Keys(flows)) {
		if f := flows[id]; f.run != nil {
			own, err := newTrigger(f.run.Def.Trigger)
			switch {
			case err != nil: // it was refused when the flow was taken
			case first:
				out, first = own, false
			default:
				out = out.or(own)
			}
		}
	}
	return out
}

// take becomes the owner of a flow and loads it, without anything in memory. To own
// a flow is to know its newest epoch. Taking it raises the epoch, so another
// process that still believes it owns the flow fails at its next commit (I4).
func (g *fenceGroup) take(ctx context.Context, id progress.FlowID) (*round.Flow, error) {
	loaded, err := g.cfg.Catalog.Take(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := newTrigger(loaded.Def.Trigger); err != nil {
		return nil, fmt.Errorf("flow %s: %w", loaded.Def.Title(), err)
	}
	g.standing.loaded(id, loaded.Def.Expr.Ahead())
	g.log.Info("took over flow", "flow", loaded.Def.Title(), "group", g.name, "epoch", loaded.Epoch,
		"vector", loaded.Vector.String(), "dirty", len(loaded.Dirty))
	return round.NewFlow(loaded), nil
}

// whole is the flows that can be trusted, by id: always in one order, so that a
// round depends on nothing but what it reads.
func (g *fenceGroup) whole() []*round.Flow {
	out := make([]*round.Flow, 0, len(g.flows))
	for _, id := range slices.Sorted(maps.Keys(g.flows)) {
		if f := g.flows[id]; !f.broken {
			out = append(out, f.run)
		}
	}
	return out
}

// divide separates the flows that can be trusted into those that share a round and
// those that have failed. The latter are computed one by one, each with the flows that
// it reads and that read it, so that a fault of one does not hold up the others. Both
// are in order of id.
func (g *fenceGroup) divide() (together []*round.Flow, apart [][]*round.Flow) {
	whole := g.whole()
	if !slices.ContainsFunc(whole, func(f *round.Flow) bool { return g.flows[f.ID].apart }) {
		return whole, nil
	}
	defs := make([]flowdef.Flow, len(whole))
	for i, f := range whole {
		defs[i] = f.Def
	}
	graph, parts := flowgraph.New(defs), map[int]int{}
	for i, f := range whole {
		if _, ok := parts[graph.Part(i)]; !ok && g.flows[f.ID].apart {
			parts[graph.Part(i)] = len(apart)
			apart = append(apart, nil)
		}
	}
	for i, f := range whole {
		if n, ok := parts[graph.Part(i)]; ok {
			apart[n] = append(apart[n], f)
		} else {
			together = append(together, f)
		}
	}
	return together, apart
}

// absent is the definitions of the flows that cannot be loaded, in order of id. Of one
// that never was only the name is known.
func absent(flows map[progress.FlowID]*owned) []flowdef.Flow {
	var out []flowdef.Flow
	for _, id := range slices.Sorted(maps.Keys(flows)) {
		f := flows[id]
		switch {
		case !f.broken:
		case f.run != nil:
			out = append(out, f.run.Def)
		default:
			name, _, _ := strings.Cut(f.title, "{")
			out = append(out, flowdef.Flow{Name: name})
		}
	}
	return out
}

// breakAll makes every flow of a round load again from the database. It is the
// answer to every error in the middle of a round: state is a cache (I7), and to find
// out how far each flow came would be code that hardly ever runs.
func (g *fenceGroup) breakAll(flows []*round.Flow) {
	for _, f := range flows {
		g.flows[f.ID].broken = true
	}
}
