package round_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestIdleVectorIsStored holds that the vector of a flow that nothing touches
// is stored before long even in a group so large that not every round writes
// it: flow wait reads it.
func TestIdleVectorIsStored(t *testing.T) {
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i := range round.SmallGroup + 1 {
		fmt.Fprintf(&defs, "  - {name: idle%d, promql: 'sum(nothing%d)', every: 1m}\n", i, i)
	}
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, defs.String())
	w.Tick()
	for range 3 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	for id, f := range w.Flows {
		if f.Stored.Equal(f.Vector) {
			continue
		}
		at := f.Deadline()
		if at == sequence.NoTime || at > w.Machine.Now().Add(round.StoreIdleAfter).UnixMilli() {
			t.Fatalf("flow %d: nothing makes its vector stored (deadline %d)", id, at)
		}
		f.StoredAt = f.StoredAt.Add(-round.StoreIdleAfter)
	}
	w.Tick()
	for id, mf := range w.Store.Flows {
		if !mf.Flow.Vector.Equal(w.Store.Vec) {
			t.Errorf("flow %d is stored at %s, the data stands at %s", id, mf.Flow.Vector, w.Store.Vec)
		}
	}
}

// countedReads counts the readings of deltas and of raw samples, and the
// samples they gave.
type countedReads struct {
	*roundtest.MemStore
	deltas, raws, samples int
}

func (s *countedReads) Snapshot(ctx context.Context) (read.Snapshot, error) {
	snap, err := s.MemStore.Snapshot(ctx)
	return &countedSnapshot{snap, s}, err
}

type countedSnapshot struct {
	read.Snapshot
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
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: a, promql: 'sum by (job) (rate(m[5m]))', every: 1m}
  - {name: b, promql: 'max(increase(m[10m] offset 1m))', every: 30s}
  - {name: c, promql: 'm', every: 1m}
  - {name: d, promql: 'sum(rate(m[5m])) / count(last_over_time(m[3m]))', every: 1m}
`)
	w.BenchSeries(series)
	counted := &countedReads{MemStore: w.Store}
	w.Snapshots = counted
	for range 2 {
		w.BenchScrape(series)
		w.Tick()
	}
	if counted.raws != 1 {
		t.Errorf("when the flows began raw samples were read %d times", counted.raws)
	}
	for i := range scrapes {
		w.BenchScrape(series)
		counted.deltas, counted.samples = 0, 0
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if counted.deltas != 1 || counted.samples != series {
			t.Fatalf("scrape %d: %d readings of deltas gave %d samples in all, %d have landed", i, counted.deltas, counted.samples, series)
		}
	}
	w.Restart()
	counted.raws = 0
	w.Tick()
	if counted.raws != 1 {
		t.Errorf("after a start raw samples were read %d times", counted.raws)
	}
	if rows := len(w.Store.Flows[4].Rows); rows < scrapes/4 {
		t.Errorf("flow d has %d windows", rows)
	}
}
