package flownode

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowdef"
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
	w := newWorld(t, 1, 1, flowdef.ExecutorColumnar, defs.String())
	w.tick()
	for range 3 {
		w.scrape(60_000, false)
		w.tick()
	}
	for id, f := range w.flows {
		if f.Stored.Equal(f.Vector) {
			continue
		}
		at := f.Deadline()
		if at == progress.Unset || at > time.Now().Add(storeIdleAfter).UnixMilli() {
			t.Fatalf("flow %d: nothing makes its vector stored (deadline %d)", id, at)
		}
		f.StoredAt = f.StoredAt.Add(-storeIdleAfter)
	}
	w.tick()
	for id, mf := range w.store.flows {
		if !mf.flow.Vector.Equal(w.store.vec) {
			t.Errorf("flow %d is stored at %s, the data stands at %s", id, mf.flow.Vector, w.store.vec)
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
	w := newWorld(t, 1, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: a, promql: 'sum by (job) (rate(m[5m]))', every: 1m}
  - {name: b, promql: 'max(increase(m[10m] offset 1m))', every: 30s}
  - {name: c, promql: 'm', every: 1m}
  - {name: d, promql: 'sum(rate(m[5m])) / count(last_over_time(m[3m]))', every: 1m}
`)
	w.benchSeries(series)
	counted := &countedReads{memStore: w.store}
	w.snapshots = counted
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
		if _, err := w.round(t.Context()); err != nil {
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
