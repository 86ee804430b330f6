package flownode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// groupWorld is a world whose owner is a fence group of a node.
type groupWorld struct {
	*roundtest.World
	group *fenceGroup
}

// configOf is a node over the world's store.
func configOf(w *roundtest.World) Config {
	return Config{Snapshots: w.Store, Catalog: w.Store, Results: w.Store, Jobs: w.Store, Elector: w.Store, Executor: flowdef.ExecutorColumnar}
}

func newGroupWorld(t *testing.T, defs string) *groupWorld {
	t.Helper()
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, defs)
	p, err := newProcess(configOf(w))
	if err != nil {
		t.Fatal(err)
	}
	group := newFenceGroup(p, "test")
	heads, err := w.Store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group.adopt(heads)
	return &groupWorld{w, group}
}

// tick makes rounds until the group has nothing left that need not wait.
func (w *groupWorld) tick() {
	w.T.Helper()
	for range 50 {
		more, err := w.group.round(context.Background())
		if err != nil {
			w.T.Fatal(err)
		}
		if !more {
			return
		}
	}
	w.T.Fatal("rounds never come to an end")
}

// failingCatalog cannot hand out one flow.
type failingCatalog struct {
	*roundtest.MemStore
	flow progress.FlowID
}

func (c failingCatalog) Take(ctx context.Context, id progress.FlowID) (progress.Flow, error) {
	if id == c.flow {
		return progress.Flow{}, errors.New("its table was not made by Laminar")
	}
	return c.MemStore.Take(ctx, id)
}

// TestOneFlowStandsStill holds that a flow that cannot be taken over does not
// hold up the others of its group.
func TestOneFlowStandsStill(t *testing.T) {
	w := newGroupWorld(t, roundtest.OracleFlows)
	w.group.cfg.Catalog = failingCatalog{w.Store, 3}
	w.Scrape(300_000, false)
	w.tick()
	for id, mf := range w.Store.Flows {
		if moved := mf.Flow.Vector.Equal(w.Store.Vec); moved == (id == 3) {
			t.Errorf("flow %d stands at %s, the data at %s", id, mf.Flow.Vector, w.Store.Vec)
		}
	}
	w.group.cfg.Catalog = w.Store
	w.group.flows[3].takeAfter = time.Time{}
	w.tick()
	w.Check()
}

// TestOtherOwnerIsNoticed holds that an owner whose flow somebody else took
// loads it again without waiting for samples: the other may have left windows
// on the dirty list.
func TestOtherOwnerIsNoticed(t *testing.T) {
	w := newGroupWorld(t, roundtest.OracleFlows)
	w.Scrape(120_000, false)
	w.tick()
	if _, err := w.Store.Take(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.Store.Flows[1].Dirty[progress.DirtyKey{WindowEnd: w.Base}] = progress.Dirty{WindowEnd: w.Base, Reason: progress.Unordered}
	heads, err := w.Store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.group.adopt(heads)
	for range 2 {
		w.Store.Now += flowplan.DirtyAtLatest
		w.tick()
	}
	if n := len(w.Store.Flows[1].Dirty); n > 0 {
		t.Errorf("%d windows that the other owner left are still dirty", n)
	}
	w.Check()
}

// openSnapshots counts the snapshots that are open at one time: each takes a
// connection.
type openSnapshots struct {
	*roundtest.MemStore
	open, most atomic.Int32
}

func (s *openSnapshots) Snapshot(ctx context.Context) (read.Snapshot, error) {
	if n := s.open.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	snap, err := s.MemStore.Snapshot(ctx)
	return &openSnapshot{snap, s}, err
}

type openSnapshot struct {
	read.Snapshot
	of *openSnapshots
}

func (s *openSnapshot) Close(ctx context.Context) error {
	s.of.open.Add(-1)
	return s.Snapshot.Close(ctx)
}

// TestRoundsAtOneTime holds that the groups, however many there are, take as
// many connections as they may, so that samples can still be taken in.
func TestRoundsAtOneTime(t *testing.T) {
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i := range 20 {
		fmt.Fprintf(&defs, "  - {name: f%d, promql: 'sum(requests_total)', every: 1m, trigger: {interval: %dms}}\n", i, 1+i)
	}
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, defs.String())
	w.Scrape(120_000, false)
	snaps := &openSnapshots{MemStore: w.Store}
	cfg := configOf(w)
	cfg.Snapshots, cfg.MaxRounds = snaps, 2
	node, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	reached := func() bool {
		w.Store.Mu.Lock()
		defer w.Store.Mu.Unlock()
		for _, f := range w.Store.Flows {
			if !f.Flow.Vector.Equal(w.Store.Vec) {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(2 * time.Minute); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the flows do not reach the vector")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := snaps.most.Load(); n > 2 {
		t.Errorf("%d snapshots were open at one time", n)
	}
}

// TestHintsThatAreNoNews: a commit wakes the groups once, whichever way its
// hints come, and a region that went back counts anew.
func TestHintsThatAreNoNews(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, "flows: [{name: f, promql: 'sum(requests_total)', every: 1m}]")
	n, err := New(configOf(w))
	if err != nil {
		t.Fatal(err)
	}
	group := newFenceGroup(n.process, "test")
	n.groups["test"] = &led{fenceGroup: group}
	for i, step := range []struct {
		do   func()
		woke bool
	}{
		{func() { n.looked(nil, sequence.Vector{1: 4}) }, true},
		{func() { n.Hint(1, 4) }, false},
		{func() { n.Hint(1, 5) }, true},
		{func() { n.Hint(1, 5) }, false},
		{func() { n.Hint(2, 1) }, true},
		{func() { n.looked(sequence.Vector{1: 4}, sequence.Vector{1: 5, 2: 1}) }, false},
		{func() { n.looked(sequence.Vector{1: 5, 2: 1}, sequence.Vector{1: 6, 2: 1}) }, true},
		{func() { n.looked(sequence.Vector{1: 6, 2: 1}, sequence.Vector{1: 3, 2: 1}) }, true},
		{func() { n.Hint(1, 4) }, true},
	} {
		step.do()
		select {
		case <-group.wake:
			if !step.woke {
				t.Errorf("step %d woke the group", i)
			}
		default:
			if step.woke {
				t.Errorf("step %d did not wake the group", i)
			}
		}
	}
}

// TestLook holds that a node that was told to look takes up a refill without
// waiting until it polls.
func TestLook(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(requests_total)', every: 1m, trigger: {interval: 1ms}}]`)
	w.Scrape(120_000, false)
	cfg := configOf(w)
	cfg.PollInterval = time.Hour
	node, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	await := func(what string, reached func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
			w.Store.Mu.Lock()
			ok := reached()
			w.Store.Mu.Unlock()
			if ok {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	await("the flow does not catch up", func() bool { return w.Store.Flows[1].Flow.Vector.Equal(w.Store.Vec) })
	w.Store.Mu.Lock()
	w.Store.Jobs = append(w.Store.Jobs, progress.Job{ID: 1, Flow: 1, State: progress.JobQueued, From: w.Base, To: w.Base + 60_000, NextT: w.Base})
	w.Store.Mu.Unlock()
	node.Look()
	await("the refill is not taken up", func() bool { return w.Store.Jobs[0].State == "done" })
}

// TestEndedGroupIsForgotten: nothing is shown any more of a flow whose group has ended. A
// trigger of its own makes a group.
func TestEndedGroupIsForgotten(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: stays, promql: 'sum(requests_total)', every: 1m, trigger: {interval: 1ms}}
  - {name: goes, promql: 'sum(requests_total)', every: 1m, trigger: {interval: 2ms}}
`)
	w.Scrape(120_000, false)
	cfg := configOf(w)
	cfg.PollInterval = 10 * time.Millisecond
	node, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	await := func(flows int) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); len(node.Kept()) != flows; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d flows are kept, want %d", len(node.Kept()), flows)
			}
		}
	}
	await(2)
	w.Store.Mu.Lock()
	delete(w.Store.Flows, 2)
	w.Store.Mu.Unlock()
	await(1)
}
