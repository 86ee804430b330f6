package round_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/partial"
	"laminar/flownode/read"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// farStore is a memStore at the end of a link: its reads move a clock. Each
// sample counts as many, so that a few of them are a load.
type farStore struct {
	*roundtest.MemStore
	clock     time.Time
	trip      time.Duration
	perByte   float64 // seconds
	many      int     // samples that one stands for
	fail      *rand.Rand
	pushdowns int // that failed
}

func (s *farStore) took(bytes int) {
	s.clock = s.clock.Add(time.Duration(float64(bytes) * s.perByte * float64(time.Second)))
}

func (s *farStore) Snapshot(ctx context.Context) (read.Snapshot, error) {
	snap, err := s.MemStore.Snapshot(ctx)
	return &farSnapshot{snap, s}, err
}

type farSnapshot struct {
	read.Snapshot
	far *farStore
}

func (s *farSnapshot) CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	s.far.clock = s.far.clock.Add(s.far.trip)
	return s.Snapshot.CheckHistory(ctx, vec, flushes)
}

func (s *farSnapshot) Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error) {
	infos, err := s.Snapshot.Infos(ctx, metrics, after)
	for i := range infos {
		infos[i].Samples *= int64(s.far.many)
		infos[i].Bytes *= int64(s.far.many)
	}
	return infos, err
}

func (s *farSnapshot) sent(fn func(*segment.Segment) error) func(*segment.Segment) error {
	return func(seg *segment.Segment) error {
		seg.Wire = seg.Len() * segment.ArrayBytes * s.far.many
		s.far.took(seg.Wire)
		return fn(seg)
	}
}

func (s *farSnapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	s.far.clock = s.far.clock.Add(s.far.trip)
	return s.Snapshot.ReadDelta(ctx, metrics, ranges, pick, s.sent(fn))
}

func (s *farSnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	s.far.clock = s.far.clock.Add(s.far.trip)
	sent := make([]func(*segment.Segment) error, len(fns))
	for i, fn := range fns {
		sent[i] = s.sent(fn)
	}
	return s.Snapshot.ReadRaw(ctx, sel, sent...)
}

// partials gives a partial back, or fails after it did.
func (s *farSnapshot) partials(fn func(int64, int32, partial.Simple) error) func(int64, int32, partial.Simple) error {
	return func(end int64, slot int32, part partial.Simple) error {
		s.far.took(64)
		if err := fn(end, slot, part); err != nil {
			return err
		}
		if s.far.fail != nil && s.far.fail.IntN(4) == 0 {
			s.far.pushdowns++
			return fmt.Errorf("injected: %w", partial.ErrNeedsColumnar)
		}
		return nil
	}
}

func (s *farSnapshot) AggregateDelta(ctx context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(int64, int32, partial.Simple) error) error {
	s.far.clock = s.far.clock.Add(s.far.trip)
	return s.Snapshot.AggregateDelta(ctx, q, ranges, s.partials(fn))
}

func (s *farSnapshot) AggregateRaw(ctx context.Context, q partial.SimpleQuery, span sequence.Span, fn func(int64, int32, partial.Simple) error) error {
	s.far.clock = s.far.clock.Add(s.far.trip)
	return s.Snapshot.AggregateRaw(ctx, q, span, s.partials(fn))
}

// newFarWorld is a world whose node reads over a link of so many bytes a second.
func newFarWorld(t *testing.T, seed uint64, setting flowdef.Executor, bytesPerSecond float64, defs string) (*roundtest.World, *farStore) {
	t.Helper()
	w := roundtest.NewWorld(t, seed, 2, setting, defs)
	far := &farStore{MemStore: w.Store, clock: time.Unix(1_700_000_000, 0), trip: time.Millisecond, perByte: 1 / bytesPerSecond, many: 10_000}
	clock := func() time.Time { return far.clock }
	w.Snapshots = far
	w.Reading.Chooser.Meter, w.Reading.Chooser.Now, w.Machine.Now = executor.NewMeter(clock, nil, nil), clock, clock
	w.Reading.Lanes = 1 // the link's clock is for one goroutine
	return w, far
}

// reads is how many readings of leaves an executor did for a reason.
func reads(w *roundtest.World, e flowdef.Executor, reason executor.Reason) int {
	return w.Choices[executor.Choice{Executor: e, Reason: reason}]
}

const executorFlows = `flows:
  - {name: total, promql: 'sum(sum_over_time(temperature[5m]))', every: 1m}
  - {name: largest, promql: 'max by (job) (max_over_time(temperature[2m]))', every: 1m}
  - {name: samples, promql: 'count_over_time(requests_total[3m])', every: 1m}
`

// TestEveryExecutorGivesTheSameTables: whoever computes the partials, by word or
// by cost, over a link that is fast, slow, or changes, and when the database
// fails halfway, the tables are what the engine gives.
func TestEveryExecutorGivesTheSameTables(t *testing.T) {
	const fast, slow = 1e9, 2e6
	overridden := `flows:
  - {name: total, promql: 'sum(sum_over_time(temperature[5m]))', every: 1m, executor: pushdown}
  - {name: largest, promql: 'max by (job) (max_over_time(temperature[2m]))', every: 1m, executor: columnar}
  - {name: rate, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m, executor: pushdown}
  - {name: samples, promql: 'count_over_time(requests_total[3m])', every: 1m, executor: auto}
`
	for _, c := range []struct {
		name     string
		executor flowdef.Executor
		speed    float64
		defs     string
		faults   bool
		turns    bool // the link is fast and slow by turns
		want     []executor.Choice
		never    []executor.Choice
	}{
		{name: "near", executor: flowdef.ExecutorAuto, speed: fast, defs: executorFlows,
			want:  []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.ByCost}},
			never: []executor.Choice{{Executor: flowdef.ExecutorPushdown, Reason: executor.ByCost}}},
		{name: "far", executor: flowdef.ExecutorAuto, speed: slow, defs: executorFlows,
			want: []executor.Choice{{Executor: flowdef.ExecutorPushdown, Reason: executor.ByCost}}},
		{name: "near and far by turns", executor: flowdef.ExecutorAuto, speed: slow, defs: executorFlows, turns: true,
			want: []executor.Choice{{Executor: flowdef.ExecutorPushdown, Reason: executor.ByCost}, {Executor: flowdef.ExecutorColumnar, Reason: executor.ByCost}}},
		{name: "far, beside a leaf that needs columns", executor: flowdef.ExecutorAuto, speed: slow,
			defs: executorFlows + "  - {name: newest, promql: 'sum(last_over_time(temperature[2m]))', every: 1m}\n",
			want: []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.Shared}, {Executor: flowdef.ExecutorColumnar, Reason: executor.CannotPush}}},
		{name: "by the setting", executor: flowdef.ExecutorPushdown, speed: fast, defs: executorFlows,
			want:  []executor.Choice{{Executor: flowdef.ExecutorPushdown, Reason: executor.BySetting}},
			never: []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.ByCost}}},
		{name: "by the flows", executor: flowdef.ExecutorColumnar, speed: slow, defs: overridden,
			want: []executor.Choice{
				{Executor: flowdef.ExecutorPushdown, Reason: executor.ByFlow}, {Executor: flowdef.ExecutorColumnar, Reason: executor.ByFlow},
				{Executor: flowdef.ExecutorColumnar, Reason: executor.CannotPush},
			},
			never: []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.BySetting}}},
		{name: "the database fails", executor: flowdef.ExecutorPushdown, speed: fast, defs: executorFlows, faults: true,
			want: []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.Fallback}}},
		{name: "the database fails, far", executor: flowdef.ExecutorAuto, speed: slow, defs: executorFlows, faults: true,
			want: []executor.Choice{{Executor: flowdef.ExecutorColumnar, Reason: executor.Fallback}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, far := newFarWorld(t, 4, c.executor, c.speed, c.defs)
			if c.faults {
				far.fail = rand.New(rand.NewPCG(7, 1))
			}
			for n := range 50 {
				if c.turns && n%25 == 0 {
					far.perByte = 1 / []float64{slow, fast}[n/25]
				}
				w.Step()
				far.clock = far.clock.Add(15 * time.Second)
			}
			w.Check()
			for _, want := range c.want {
				if reads(w, want.Executor, want.Reason) == 0 {
					t.Errorf("nothing was read by %s because of %s", want.Executor, want.Reason)
				}
			}
			for _, never := range c.never {
				if n := reads(w, never.Executor, never.Reason); n > 0 {
					t.Errorf("%d readings by %s because of %s", n, never.Executor, never.Reason)
				}
			}
			if c.faults && far.pushdowns == 0 {
				t.Error("no pushdown failed")
			}
		})
	}
}
