package flownode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestIdleVectorIsStored holds that the vector of a flow that nothing touches
// is stored before long even in a group so large that not every round writes
// it: flow wait reads it.
func TestIdleVectorIsStored(t *testing.T) {
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i := range smallGroup + 1 {
		fmt.Fprintf(&defs, "  - {name: idle%d, promql: 'sum(nothing%d)', every: 1m}\n", i, i)
	}
	w := newWorld(t, 1, 1, ExecutorColumnar, defs.String())
	w.tick()
	for range 3 {
		w.scrape(60_000, false)
		w.tick()
	}
	for id, f := range w.group.flows {
		if f.stored.Equal(f.flow.Vector) {
			continue
		}
		at := f.deadline()
		if at == progress.Unset || at > time.Now().Add(storeIdleAfter).UnixMilli() {
			t.Fatalf("flow %d: nothing makes its vector stored (deadline %d)", id, at)
		}
		f.storedAt = f.storedAt.Add(-storeIdleAfter)
	}
	w.tick()
	for id, mf := range w.store.flows {
		if !mf.flow.Vector.Equal(w.store.vec) {
			t.Errorf("flow %d is stored at %s, the data stands at %s", id, mf.flow.Vector, w.store.vec)
		}
	}
}

// failingCatalog cannot hand out one flow.
type failingCatalog struct {
	*memStore
	flow progress.FlowID
}

func (c failingCatalog) Take(ctx context.Context, id progress.FlowID) (progress.Flow, error) {
	if id == c.flow {
		return progress.Flow{}, errors.New("its table was not made by Laminar")
	}
	return c.memStore.Take(ctx, id)
}

// TestOneFlowStandsStill holds that a flow that cannot be taken over does not
// hold up the others of its group.
func TestOneFlowStandsStill(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, oracleFlows)
	w.node.cfg.Catalog = failingCatalog{w.store, 3}
	w.scrape(300_000, false)
	w.tick()
	for id, mf := range w.store.flows {
		if moved := mf.flow.Vector.Equal(w.store.vec); moved == (id == 3) {
			t.Errorf("flow %d stands at %s, the data at %s", id, mf.flow.Vector, w.store.vec)
		}
	}
	w.node.cfg.Catalog = w.store
	w.group.flows[3].takeAfter = time.Time{}
	w.tick()
	w.check()
}

// TestOtherOwnerIsNoticed holds that an owner whose flow somebody else took
// loads it again without waiting for samples: the other may have left windows
// on the dirty list.
func TestOtherOwnerIsNoticed(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, oracleFlows)
	w.scrape(120_000, false)
	w.tick()
	if _, err := w.store.Take(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.store.flows[1].dirty[progress.DirtyKey{WindowEnd: w.base}] = progress.Dirty{WindowEnd: w.base, Reason: string(flowplan.Unordered)}
	heads, err := w.store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.group.adopt(heads)
	for range 2 {
		w.store.now += flowplan.DirtyAtLatest
		w.tick()
	}
	if n := len(w.store.flows[1].dirty); n > 0 {
		t.Errorf("%d windows that the other owner left are still dirty", n)
	}
	w.check()
}

// openSnapshots counts the snapshots that are open at one time: each takes a
// connection.
type openSnapshots struct {
	*memStore
	open, most atomic.Int32
}

func (s *openSnapshots) Snapshot(ctx context.Context) (Snapshot, error) {
	if n := s.open.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	snap, err := s.memStore.Snapshot(ctx)
	return &openSnapshot{snap, s}, err
}

type openSnapshot struct {
	Snapshot
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
	w := newWorld(t, 1, 1, ExecutorColumnar, defs.String())
	w.scrape(120_000, false)
	snaps := &openSnapshots{memStore: w.store}
	cfg := w.node.cfg
	cfg.Snapshots, cfg.MaxRounds = snaps, 2
	node, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	reached := func() bool {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		for _, f := range w.store.flows {
			if !f.flow.Vector.Equal(w.store.vec) {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(20 * time.Second); !reached(); time.Sleep(time.Millisecond) {
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
	w := newWorld(t, 1, 1, ExecutorColumnar, "flows: [{name: f, promql: 'sum(requests_total)', every: 1m}]")
	n := w.node
	n.groups["test"] = w.group
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
		case <-w.group.wake:
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

// countedReads counts the readings of deltas and of raw samples, and the
// samples they gave.
type countedReads struct {
	*memStore
	deltas, raws, samples int
}

func (s *countedReads) Snapshot(ctx context.Context) (Snapshot, error) {
	snap, err := s.memStore.Snapshot(ctx)
	return &countedSnapshot{snap, s}, err
}

type countedSnapshot struct {
	Snapshot
	of *countedReads
}

func (s *countedSnapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	s.of.deltas++
	return s.Snapshot.ReadDelta(ctx, metrics, ranges, pick, func(seg *segment.Segment) error {
		s.of.samples += seg.Len()
		return fn(seg)
	})
}

func (s *countedSnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	s.of.raws++
	counted, lens := make([]func(*segment.Segment) error, len(fns)), make([]int, len(fns))
	for i, fn := range fns {
		counted[i] = func(seg *segment.Segment) error {
			lens[i] += seg.Len()
			return fn(seg)
		}
	}
	err := s.Snapshot.ReadRaw(ctx, sel, counted...)
	for _, n := range lens {
		s.of.samples += n
	}
	return err
}

// TestFlowsShareOneReading holds that flows of one fence group over the same
// metric read a delta once for all of them, and nothing else while it is
// ordered, and that when they begin and after a start their pane state comes
// from one reading too.
func TestFlowsShareOneReading(t *testing.T) {
	const series, scrapes = 50, 60
	w := newWorld(t, 1, 1, ExecutorColumnar, `
flows:
  - {name: a, promql: 'sum by (job) (rate(m[5m]))', every: 1m}
  - {name: b, promql: 'max(increase(m[10m] offset 1m))', every: 30s}
  - {name: c, promql: 'm', every: 1m}
  - {name: d, promql: 'sum(rate(m[5m])) / count(last_over_time(m[3m]))', every: 1m}
`)
	w.benchSeries(series)
	counted := &countedReads{memStore: w.store}
	w.node.cfg.Snapshots = counted
	for range 2 {
		w.benchScrape(series)
		w.tick()
	}
	if counted.raws != 1 {
		t.Errorf("when the flows began raw samples were read %d times", counted.raws)
	}
	for i := range scrapes {
		w.benchScrape(series)
		counted.deltas, counted.samples = 0, 0
		if _, err := w.group.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if counted.deltas != 1 || counted.samples != series {
			t.Fatalf("scrape %d: %d readings of deltas gave %d samples in all, %d have landed", i, counted.deltas, counted.samples, series)
		}
	}
	w.restart()
	counted.raws = 0
	w.tick()
	if counted.raws != 1 {
		t.Errorf("after a start raw samples were read %d times", counted.raws)
	}
	if rows := len(w.store.flows[4].rows); rows < scrapes/4 {
		t.Errorf("flow d has %d windows", rows)
	}
}

// TestLook holds that a node that was told to look takes up a refill without
// waiting until it polls.
func TestLook(t *testing.T) {
	w := newWorld(t, 1, 1, ExecutorColumnar, `flows: [{name: total, promql: 'sum(requests_total)', every: 1m, trigger: {interval: 1ms}}]`)
	w.scrape(120_000, false)
	cfg := w.node.cfg
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
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			w.store.mu.Lock()
			ok := reached()
			w.store.mu.Unlock()
			if ok {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	await("the flow does not catch up", func() bool { return w.store.flows[1].flow.Vector.Equal(w.store.vec) })
	w.store.mu.Lock()
	w.store.jobs = append(w.store.jobs, progress.Job{ID: 1, Flow: 1, State: "queued", From: w.base, To: w.base + 60_000, NextT: w.base})
	w.store.mu.Unlock()
	node.Look()
	await("the refill is not taken up", func() bool { return w.store.jobs[0].State == "done" })
}
