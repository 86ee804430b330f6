package query_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// memory is a store with two metrics, m of series 0 to 4 and n of series 5, each with a
// sample a second from 0 to 999.
type memory struct {
	mu           sync.Mutex
	taken, given int           // snapshots that were taken, and ended
	closed       int           // snapshots that were closed
	listed       int           // how often flows were
	reading      chan struct{} // when not nil, a reading waits for it, and for its context
	err          error         // of snapshots
}

func (m *memory) Snapshot(context.Context, []string) (query.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.taken++
	return &memorySnapshot{m: m}, nil
}

// open is how many snapshots are open.
func (m *memory) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken - m.given
}

type memorySnapshot struct {
	m     *memory
	ended bool
}

func (s *memorySnapshot) End() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.given++
	s.ended = true
}

func (s *memorySnapshot) Close(context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.closed++; !s.ended {
		return errors.New("closed before its end")
	}
	return nil
}

func (s *memorySnapshot) Position() sequence.Position {
	return sequence.Position{Vector: sequence.Vector{1: 7}, Flushes: map[sequence.Region]sequence.FlushID{1: {1}}}
}

func (s *memorySnapshot) CheckHistory(context.Context, sequence.Vector, map[sequence.Region]sequence.FlushID) error {
	return nil
}

func (s *memorySnapshot) Named(context.Context, []string) ([]progress.Flow, error) { return nil, nil }

// Stand implements Snapshot.
func (s *memorySnapshot) Stand(progress.FlowID) (changelog.Incarnation, changelog.Position) {
	return changelog.Incarnation{}, 0
}

// Hides implements Snapshot.
func (s *memorySnapshot) Hides(progress.FlowID) bool { return false }

// Groups implements Snapshot.
func (s *memorySnapshot) Groups(context.Context, progress.FlowID, sequence.Span, map[string]string, int) ([]progress.Group, bool, error) {
	return nil, false, nil
}

func (s *memorySnapshot) Flow(context.Context, progress.FlowID) (progress.Flow, error) {
	return progress.Flow{}, progress.ErrFlowGone
}

func (s *memorySnapshot) ResultsUpTo(context.Context, progress.FlowID, sequence.Span, int) ([]progress.Window, error) {
	return nil, nil
}

func (s *memorySnapshot) Answering(context.Context, []progress.FlowID) ([]progress.Head, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.listed++
	return nil, nil
}

func (s *memorySnapshot) Definitions(context.Context, []progress.FlowID) ([]progress.Flow, error) {
	return nil, nil
}

func (s *memorySnapshot) PendingRefills(context.Context, progress.FlowID) ([]progress.Job, error) {
	return nil, nil
}

func (s *memorySnapshot) Infos(context.Context, []sequence.MetricID, sequence.Vector) ([]segment.Info, error) {
	return nil, nil
}

func (s *memorySnapshot) ReadDelta(context.Context, []sequence.MetricID, map[sequence.Region]sequence.Range, segment.Pick, func(*segment.Segment) error) error {
	return nil
}

func (s *memorySnapshot) ResultsAt(context.Context, progress.FlowID, sequence.Time, sequence.Time, int64, int) ([]progress.Window, error) {
	return nil, nil
}

func (s *memorySnapshot) Metrics(_ context.Context, names []string, _ sequence.Span) (out []series.Metric, err error) {
	for i, name := range []string{"m", "n"} {
		if names == nil || slices.Contains(names, name) {
			out = append(out, series.Metric{ID: sequence.MetricID(i), Name: name})
		}
	}
	return out, nil
}

func (s *memorySnapshot) Series(_ context.Context, metrics []string, after sequence.Vector, _ ...string) (out []series.Series, err error) {
	for i := range 6 {
		name := []string{"m", "n"}[i/5]
		if slices.Contains(metrics, name) && after.At(1) == 0 {
			out = append(out, series.Series{ID: sequence.SeriesID(i), Labels: []series.Label{{Name: "__name__", Value: name}, {Name: "i", Value: string(rune('a' + i))}}})
		}
	}
	return out, nil
}

func (s *memorySnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	if s.m.reading != nil {
		select {
		case <-s.m.reading:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	seg := &segment.Segment{Region: 1, MaxT: 999_000}
	for i := range 6 {
		for t := range 1000 {
			if slices.Contains(sel.Metrics, sequence.MetricID(i/5)) {
				seg.Series, seg.Offsets, seg.Values = append(seg.Series, sequence.SeriesID(i)), append(seg.Offsets, int32(1000*t)), append(seg.Values, 1)
			}
		}
	}
	return fns[0](seg)
}

func newQueries(m *memory, change ...func(*query.Config)) *query.Queries {
	cfg := query.Config{
		Timeout: time.Minute, MaxSamples: 1_000_000, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: m, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	}
	for _, fn := range change {
		fn(&cfg)
	}
	return query.New(cfg)
}

// instant evaluates an expression at 500 s.
func instant(ctx context.Context, q *query.Queries, expr string) (promql.Vector, error) {
	s := q.Session()
	defer s.Close()
	qry, err := s.Instant(ctx, promql.NewPrometheusQueryOpts(false, 0), expr, time.UnixMilli(500_000))
	if err != nil {
		return nil, err
	}
	defer qry.Close()
	return qry.Exec(ctx).Vector()
}

// TestOneSnapshot: a query takes one snapshot, whatever it selects, and closes it before
// it computes; one that selects nothing takes none.
func TestOneSnapshot(t *testing.T) {
	for expr, want := range map[string]int{
		"1 + 1": 0, "vector(2)": 0, "m": 1, "m + ignoring (i) group_left n": 1, `sum_over_time(m[1m]) or {__name__="n"}`: 1,
		"max_over_time(sum(m)[5m:1m]) - sum(m offset 1m) + sum(n @ 3)": 1,
	} {
		m := &memory{}
		q := newQueries(m)
		s := q.Session()
		qry, err := s.Instant(t.Context(), promql.NewPrometheusQueryOpts(false, 0), expr, time.UnixMilli(500_000))
		if err != nil {
			t.Fatal(err)
		}
		if res := qry.Exec(t.Context()); res.Err != nil {
			t.Errorf("%s: %v", expr, res.Err)
		}
		if m.taken != want || m.open() != 0 {
			t.Errorf("%s: %d snapshots were taken, want %d; %d are open", expr, m.taken, want, m.open())
		}
		if vec, read := s.Vector(); read != (want > 0) || read && vec.At(1) != 7 {
			t.Errorf("%s: read at %v, %v", expr, vec, read)
		}
		qry.Close()
		s.Close()
	}
}

// TestLimits: what a query may read and hold is bounded, by its own samples and by the
// memory of all; what it held is given back.
func TestLimits(t *testing.T) {
	m := &memory{}
	q := newQueries(m, func(c *query.Config) { c.MaxSamples = 2000 })
	var many promql.ErrTooManySamples
	if v, err := instant(t.Context(), q, "m"); err != nil || len(v) != 5 { // 300 s of 5 series
		t.Errorf("m: %v, %v", v, err)
	}
	if _, err := instant(t.Context(), q, "sum_over_time(m[900s])"); !errors.As(err, &many) {
		t.Errorf("too many samples: %v", err)
	}
	q = newQueries(m, func(c *query.Config) { c.MaxMemory = 30_000 })
	for range 3 { // nothing is left of those that failed
		if _, err := instant(t.Context(), q, "sum_over_time(m[900s])"); !errors.Is(err, query.ErrMemory) {
			t.Errorf("too much memory: %v", err)
		}
		if v, err := instant(t.Context(), q, "n"); err != nil || len(v) != 1 {
			t.Errorf("n: %v, %v", v, err)
		}
	}
	if m.open() != 0 {
		t.Errorf("%d snapshots are open", m.open())
	}
}

// TestTurns: so many queries are under way, so many more wait, and the rest is refused
// at once; who waits too long is told so, and who leaves makes room.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{reading: make(chan struct{})}
		q := newQueries(m)
		const waiters = 2 * 16
		var group sync.WaitGroup
		var mu sync.Mutex
		ended := map[error]int{}
		run := func(ctx context.Context) {
			group.Go(func() {
				_, err := instant(ctx, q, "m")
				mu.Lock()
				defer mu.Unlock()
				for _, known := range []error{query.ErrBusy, query.ErrQueue} {
					if errors.Is(err, known) {
						err = known
					}
				}
				if err != nil && !errors.Is(err, query.ErrBusy) && !errors.Is(err, query.ErrQueue) {
					err = context.Canceled
				}
				ended[err]++
			})
		}
		leaving, leave := context.WithCancel(t.Context())
		for i := range 2 + waiters {
			if i == 5 {
				run(leaving)
			} else {
				run(t.Context())
			}
		}
		synctest.Wait()
		if m.open() != 2 {
			t.Fatalf("%d queries are under way", m.open())
		}
		run(t.Context())
		synctest.Wait()
		if ended[query.ErrBusy] != 1 {
			t.Fatalf("one too many: %v", ended)
		}
		leave()
		synctest.Wait()
		run(t.Context())
		synctest.Wait()
		if ended[query.ErrBusy] != 1 || ended[context.Canceled] != 1 {
			t.Fatalf("one has left: %v", ended)
		}
		close(m.reading)
		group.Wait()
		if ended[nil] != 2+waiters || m.open() != 0 {
			t.Errorf("%v, %d open", ended, m.open())
		}
	})
}

// TestQueueTimeout: a query that waits for its turn until its time is over has not read.
func TestQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{reading: make(chan struct{})}
		q := newQueries(m, func(c *query.Config) { c.MaxConcurrent = 1 })
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				_, err := instant(t.Context(), q, "m")
				var late promql.ErrQueryTimeout
				if !errors.As(err, &late) && !errors.Is(err, query.ErrQueue) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		began := time.Now()
		group.Wait()
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		if m.open() != 0 {
			t.Errorf("%d snapshots are open", m.open())
		}
	})
}

// TestLookups: labels are looked up without reading a sample.
func TestLookups(t *testing.T) {
	m := &memory{reading: make(chan struct{})} // a reading would wait for ever
	s := newQueries(m).Session()
	defer s.Close()
	querier, err := s.Querier(0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	not := labels.MustNewMatcher(labels.MatchNotEqual, "i", "b")
	values, _, err := querier.LabelValues(t.Context(), "i", nil, not)
	if err != nil || !slices.Equal(values, []string{"a", "c", "d", "e", "f"}) {
		t.Errorf("%v, %v", values, err)
	}
	names, _, err := querier.LabelNames(t.Context(), nil)
	if err != nil || !slices.Equal(names, []string{"__name__", "i"}) {
		t.Errorf("%v, %v", names, err)
	}
	if err := querier.Close(); err != nil || m.open() != 0 {
		t.Errorf("%v, %d open", err, m.open())
	}
}

// TestExpressionsReadOnce: of queries that come at once one reads which flows there are, and
// once a second has passed one reads what is new.
func TestExpressionsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		q := newQueries(m, func(c *query.Config) { c.MaxConcurrent = 8 })
		for round := range 3 {
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					for range 5 {
						if _, err := instant(t.Context(), q, "sum(m)"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			if m.listed != round+1 {
				t.Fatalf("after %d s flows were listed %d times", round, m.listed)
			}
			time.Sleep(time.Second) // of the bubble
		}
	})
}

// TestTurnsOfLargeQueries: queries that hold few samples are computed side by side, one that
// holds many waits until no other does; what it gives is the same, and it has read once.
func TestTurnsOfLargeQueries(t *testing.T) {
	const large = "sum(sum_over_time(m[800s:1s]))" // of 5 series: 4,000 samples
	m := &memory{}
	q := newQueries(m, func(c *query.Config) { c.LightSamples, c.MaxSamples, c.MaxConcurrent = 2100, 8000, 3 })
	holding := q.Session()
	held, err := holding.Instant(t.Context(), nil, large, time.UnixMilli(900_000))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := held.Exec(t.Context()).Vector(); err != nil || len(v) != 1 || v[0].F != 4000 {
		t.Fatalf("%v, %v", v, err)
	}
	if m.taken != 1 {
		t.Errorf("%d snapshots were taken for a query that was evaluated again", m.taken)
	}
	// As long as the first holds its result, another one waits, and small ones do not.
	for limit := 50 * time.Millisecond; ; limit *= 4 {
		waiting, leave := context.WithTimeout(t.Context(), limit)
		_, err := instant(waiting, q, large)
		leave()
		if errors.Is(err, query.ErrTurn) {
			break
		}
		// Otherwise it was not computed as far as its turn in that time.
		if err == nil || limit > time.Minute {
			t.Fatalf("a second large query: %v", err)
		}
	}
	if v, err := instant(t.Context(), q, "sum(m)"); err != nil || len(v) != 1 || v[0].F != 5 {
		t.Errorf("a small query: %v, %v", v, err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if v, err := instant(t.Context(), q, "sum(sum_over_time(m[450s:1s]))"); err != nil || len(v) != 1 || v[0].F != 2250 {
				t.Errorf("a large query that has waited: %v, %v", v, err)
			}
		})
	}
	held.Close()
	holding.Close()
	group.Wait()
	var many promql.ErrTooManySamples
	if _, err := instant(t.Context(), q, "sum_over_time(m[400s:1s]) + sum_over_time(m[400s:100ms])"); !errors.As(err, &many) {
		t.Errorf("a query that is too large for any turn: %v", err)
	}
	if m.open() != 0 {
		t.Errorf("%d snapshots are open", m.open())
	}
}
