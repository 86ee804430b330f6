package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"laminar/ingest/budget"
	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// eventually polls until ok, or fails in the end.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// waiting polls until so many requests, with so many samples in all, have put them into the
// buffers and wait for their commits.
func waiting(t *testing.T, g *Ingester, requests, samples int) {
	t.Helper()
	eventually(t, fmt.Sprintf("that %d requests wait", requests), func() bool { return g.wait(requests, samples) })
}

// wait reports whether so many requests, and no others, are as waiting says.
func (g *Ingester) wait(requests, samples int) bool {
	return g.budget.Used() == int64(requests*budget.RequestBytes+samples*bytesPerSample) && g.traffic.coming.Load() == 0
}

// TestOneCommitServesMany: requests that come while a flush commits share the
// next one.
func TestOneCommitServesMany(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1}, nil)
	release := d.store.Hold(1)
	const senders = 20
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			if err := d.post(ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1))); err != nil {
				t.Errorf("answered %v", err)
			}
		})
	}
	waiting(t, d.Ingester, senders, senders)
	release()
	group.Wait()
	if d.store.Commits > 2 {
		t.Errorf("%d commits for %d requests", d.store.Commits, senders)
	}
	if n := len(d.store.Content()); n != senders {
		t.Errorf("%d samples stored, want %d", n, senders)
	}
}

// TestBackPressure: when too much waits, requests are answered 503, and taken
// again later.
func TestBackPressure(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1, BufferBytes: 2000}, nil)
	release := d.store.Hold(1)
	first := make(chan error)
	go func() {
		var list []entry
		for i := range 100 { // more than the buffer, which is empty
			list = append(list, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1)))
		}
		first <- d.post(list...)
	}()
	waiting(t, d.Ingester, 1, 100)
	if err := d.post(good); !errors.Is(err, budget.ErrBusy) {
		t.Errorf("answered %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Errorf("the first request was answered %v", err)
	}
	if err := d.post(good); err != nil {
		t.Errorf("afterwards answered %v", err)
	}
}

// TestOnlyTheGuiltySuffers: when the database refuses a flush, the requests in
// it are written one by one.
func TestOnlyTheGuiltySuffers(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1}, func(s *memStore) {
		s.OnSeries = func(list []series.Wanted) error {
			for _, n := range list {
				if slices.Contains(n.Labels, series.Label{Name: "job", Value: "poison"}) {
					return fmt.Errorf("insert: %w", sequence.ErrBadContent)
				}
			}
			return nil
		}
	})
	release := d.store.Hold(1)
	answers := make([]error, 6)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			job := fmt.Sprint(i)
			if i == 3 {
				job = "poison"
			}
			answers[i] = d.post(ts("__name__ m job "+job, at(int64(i), 1)), ts("__name__ shared", at(5, float64(7))))
		})
	}
	waiting(t, d.Ingester, 6, 12)
	release()
	group.Wait()
	for i, err := range answers {
		if i == 3 && !errors.Is(err, errRefused) || i != 3 && err != nil {
			t.Errorf("request %d is answered %v", i, err)
		}
	}
	if n := len(d.store.Content()); n != 6 {
		t.Errorf("%d samples stored, want 6", n)
	}
	if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(refusal.ByDatabase))); n != 2 {
		t.Errorf("%v samples counted as refused by the database, want 2", n)
	}
}

// TestOneRegionFails: a request is durable in one region and not in the other;
// its sender is told to send again, and sending again is harmless.
func TestOneRegionFails(t *testing.T) {
	failing := true
	d := openReceiver(t, Config{Regions: 2}, func(s *memStore) {
		s.OnCommit = func(fl sequence.Flush, _ []segment.Segment) (bool, error) {
			if failing && fl.Region == 2 {
				return false, fmt.Errorf("commit: %w", sequence.ErrUnavailable)
			}
			return true, nil
		}
	})
	var list []entry
	for i := range 50 {
		list = append(list, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1)))
	}
	if err := d.post(list...); !errors.Is(err, sequence.ErrUnavailable) {
		t.Fatalf("answered %v", err)
	}
	half := len(d.store.Content())
	if half == 0 || half == 50 {
		t.Fatalf("%d samples stored: the series are all in one region", half)
	}
	d.store.Mu.Lock()
	failing = false
	d.store.Mu.Unlock()
	if err := d.post(list...); err != nil {
		t.Fatalf("answered %v", err)
	}
	if n := len(d.store.Content()); n != 50 {
		t.Errorf("%d samples stored, want 50", n)
	}
	if n := testutil.ToFloat64(d.metrics.repeats); int(n) != half {
		t.Errorf("%v repeats dropped, want %d", n, half)
	}
	if n := testutil.ToFloat64(d.metrics.unordered); n != 0 {
		t.Errorf("%v samples are unordered", n)
	}
}

// TestRepeatsAreAcknowledgedWithoutACommit: a request that holds nothing new
// takes no sequence.
func TestRepeatsAreAcknowledgedWithoutACommit(t *testing.T) {
	d := openReceiver(t, Config{}, nil)
	for range 3 {
		if err := d.post(good); err != nil {
			t.Fatalf("answered %v", err)
		}
	}
	if d.store.Commits != 1 {
		t.Errorf("%d commits, want 1", d.store.Commits)
	}
	if n := testutil.ToFloat64(d.metrics.samples); n != 3 {
		t.Errorf("%v samples counted as written, want 3", n)
	}
}

// TestTimesAreCheckedBeforeTheFlush: once a flush has told the database's clock and
// what retention has given up, requests are checked before they wait.
func TestTimesAreCheckedBeforeTheFlush(t *testing.T) {
	d := openReceiver(t, Config{Regions: 1}, func(s *memStore) { s.Earliest = 500 })
	if err := d.post(good); err != nil {
		t.Fatalf("answered %v", err)
	}
	for _, row := range []struct {
		t    int64
		text string
	}{{499, "retention"}, {d.store.Now + 700_000, "ahead"}} {
		if err := d.post(ts("__name__ m", at(row.t, 1))); !errors.Is(err, errRefused) || !strings.Contains(err.Error(), row.text) {
			t.Errorf("sample at %d: answered %v", row.t, err)
		}
	}
	if n := testutil.ToFloat64(d.metrics.flushes.WithLabelValues("committed")); n != 1 {
		t.Errorf("%v flushes, want 1", n)
	}
}

// TestHintsFollowTheAnswer: OnCommit tells what was written, per flush.
func TestHintsFollowTheAnswer(t *testing.T) {
	hints := make(chan Commit, 10)
	d := openReceiver(t, Config{Regions: 1, OnCommit: func(c Commit) { hints <- c }}, nil)
	if err := d.post(ts("__name__ a", at(10, 1), at(20, 1)), ts("__name__ b", at(5, 1))); err != nil {
		t.Fatalf("answered %v", err)
	}
	got := <-hints
	if got.Region != 1 || got.Seq != 1 || got.MinT != 5 || got.MaxT != 20 || got.Samples != 3 || !slices.Equal(got.Metrics, []sequence.MetricID{1, 2}) {
		t.Errorf("hint is %+v", got)
	}
}

// TestForgottenSeriesComesBack: a request looks a series up, the series is
// evicted, and only then are the samples buffered. They must not land on the
// forgotten object, whose knowledge nobody keeps up to date.
func TestForgottenSeriesComesBack(t *testing.T) {
	g := newTestIngester(t, storeOf{ingesttest.New(1)}, Config{})
	f := g.flushers[0]
	labels := modelLabels[0]
	look := func() *registry.Series {
		s, _ := g.spelled(labels)
		return s
	}
	write := func(s *registry.Series, at int64) {
		b := newBatch(1)
		b.request, b.budget = newRequest(), g.budget
		b.request.pending.Store(1)
		req := b.request
		b.samples = append(b.samples, batchSample{series: s, t: at, v: 1})
		f.buf.add(b)
		f.flush(context.Background(), f.buf.take())
		if <-req.done; req.err != nil {
			t.Fatal(req.err)
		}
	}
	old := look()
	write(old, 100)
	f.evict(time.Now().Add(24 * time.Hour))
	if held := g.registry.Held(); held != (registry.Held{}) || g.registry.Count() != 0 || len(f.all) != 0 {
		t.Fatalf("of the idle series there is still %+v", held)
	}
	write(old, 200) // looked up before the eviction
	write(look(), 150)
	if n := testutil.ToFloat64(g.metrics.unordered); n != 1 {
		t.Errorf("%v unordered samples, want 1: the sample at 150 is behind the one at 200", n)
	}
	if look() == old {
		t.Error("the forgotten series is in use again")
	}
}

// TestPendingSeriesIsNotForgotten: however idle, a series with samples in a
// draft stays.
func TestPendingSeriesIsNotForgotten(t *testing.T) {
	g := newTestIngester(t, storeOf{ingesttest.New(1)}, Config{})
	f := g.flushers[0]
	s, _ := g.spelled(modelLabels[0])
	b := newBatch(1)
	b.request, b.budget = newRequest(), g.budget
	b.request.pending.Store(1)
	b.samples = append(b.samples, batchSample{series: s, t: 1, v: 1})
	f.buf.add(b)
	f.evict(time.Now())
	f.evict(time.Now().Add(24 * time.Hour))
	if s.Dead {
		t.Fatal("a series with a waiting sample was forgotten")
	}
	f.flush(context.Background(), f.buf.take())
}

// TestRestoreIsNoticedBehindAGap: the process's own sequence was lost and
// others went past it. The gap alone looks like others' writes.
func TestRestoreIsNoticedBehindAGap(t *testing.T) {
	store := ingesttest.New(1)
	a, b := newTestIngester(t, storeOf{store}, Config{}), newTestIngester(t, storeOf{store}, Config{})
	writeOne(t, a, 100)
	writeOne(t, a, 200)
	store.Truncate(1, 1)
	writeOne(t, b, 150)
	writeOne(t, b, 160)
	writeOne(t, a, 180)
	if n := testutil.ToFloat64(a.metrics.historyChanges); n != 1 {
		t.Errorf("%v history changes noticed, want 1", n)
	}
	if n := testutil.ToFloat64(a.metrics.unordered); n != 0 {
		t.Errorf("%v unordered samples, want 0: 200 is not there any more", n)
	}
}

// TestLongIdleWriterCatchesUp: a process that wrote nothing for so long that
// its last flush is not remembered reads everything again, and that is no
// change of history.
func TestLongIdleWriterCatchesUp(t *testing.T) {
	store := ingesttest.New(1)
	a, b := newTestIngester(t, storeOf{store}, Config{}), newTestIngester(t, storeOf{store}, Config{})
	writeOne(t, a, 100)
	writeOne(t, b, 200)
	store.Prune(1, 1)
	writeOne(t, a, 150)
	writeOne(t, a, 300)
	if n := testutil.ToFloat64(a.metrics.historyChanges); n != 0 {
		t.Errorf("%v history changes noticed, want none", n)
	}
	if n := testutil.ToFloat64(a.metrics.unordered); n != 1 {
		t.Errorf("%v unordered samples, want 1: 150 is behind 200", n)
	}
}

// writeOne writes one sample of one series through the only flusher.
func writeOne(t *testing.T, g *Ingester, at int64) {
	t.Helper()
	s, _ := g.spelled(modelLabels[0])
	bt := newBatch(1)
	bt.samples = append(bt.samples, batchSample{series: s, t: at, v: 1})
	bt.request, bt.budget = newRequest(), g.budget
	bt.request.pending.Store(1)
	req := bt.request
	f := g.flushers[0]
	f.buf.add(bt)
	f.flush(context.Background(), f.buf.take())
	if <-req.done; req.err != nil {
		t.Fatal(req.err)
	}
}

// TestEndAnswersEveryone: when Run ends, what is buffered is written, and later
// requests are told to go elsewhere.
func TestEndAnswersEveryone(t *testing.T) {
	store := ingesttest.New(1)
	d := newReceiver(t, store, Config{})
	g := d.Ingester
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	release := d.store.Hold(1)
	answers := make(chan error, 2)
	for i := range 2 {
		go func() { answers <- d.post(ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1))) }()
	}
	waiting(t, g, 2, 2)
	cancel()
	eventually(t, "that the buffer is closed", func() bool {
		g.flushers[0].buf.mu.Lock()
		defer g.flushers[0].buf.mu.Unlock()
		return g.flushers[0].buf.closed
	})
	release()
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a waiting request was answered %v", err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.post(good); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end answered %v", err)
	}
}

// TestEndDoesNotWaitForEver: a database that hangs holds Run up for no longer
// than the drain timeout.
func TestEndDoesNotWaitForEver(t *testing.T) {
	store := ingesttest.New(1)
	d := newReceiver(t, store, Config{DrainTimeout: 10 * time.Millisecond})
	g := d.Ingester
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer d.store.Hold(1)()
	answers := make(chan error, 1)
	go func() { answers <- d.post(good) }()
	waiting(t, g, 1, 1)
	cancel()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestConcurrentWriters runs two ingesters with real goroutines on the same
// regions, while series are evicted; under the race detector.
func TestConcurrentWriters(t *testing.T) {
	store := ingesttest.New(2)
	store.OnCommit = func(fl sequence.Flush, segs []segment.Segment) (bool, error) {
		for i := range segs {
			checkSegment(t, fl, &segs[i])
		}
		return true, nil
	}
	var receivers []*receiver
	for range 2 {
		d := newReceiver(t, store, Config{Regions: 2, SeriesIdle: 2 * time.Millisecond})
		d.start()
		receivers = append(receivers, d)
	}
	var group sync.WaitGroup
	for sender := range 8 {
		group.Go(func() {
			d := receivers[sender%2]
			for round := range 40 {
				var list []entry
				for i := range 20 {
					list = append(list, ts(fmt.Sprintf("__name__ m%d i %d sender %d", i%3, i, sender%4), at(int64(1000+round), float64(round))))
				}
				if err := d.post(list...); err != nil {
					t.Errorf("answered %v", err)
				}
			}
		})
	}
	group.Wait()
	if n := len(store.Content()); n != 40*20*4 {
		t.Errorf("%d samples stored, want %d", n, 40*20*4)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Regions: 1025}, {Regions: 1, FlushSamples: -1}, {Regions: 1, Limits: refusal.Limits{Labels: -1}}} {
		if _, err := New(storeOf{ingesttest.New(1)}, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	reg := prometheus.NewRegistry()
	if _, err := New(storeOf{ingesttest.New(1)}, Config{Regions: 1, Registerer: reg, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(storeOf{ingesttest.New(1)}, Config{Regions: 1, Registerer: reg, Logger: quiet()}); err == nil {
		t.Error("two ingesters share one registry")
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}
