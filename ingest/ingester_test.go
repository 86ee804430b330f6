package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/prompb"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// eventually polls until ok, or fails after some seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

// hold takes the lock of a region, as another writer's flush does.
func (d *door) hold(region sequence.Region) (release func()) {
	lock := d.store.regions[region].lock
	lock <- struct{}{}
	return func() { <-lock }
}

// TestOneCommitServesMany: requests that come while a flush commits share the
// next one.
func TestOneCommitServesMany(t *testing.T) {
	d := openDoor(t, Config{Regions: 1}, nil)
	release := d.hold(1)
	const senders = 20
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			if code, text, _ := d.post(d.Write(), packSnappy(t, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1)))); code != 204 {
				t.Errorf("answered %d %q", code, text)
			}
		})
	}
	eventually(t, "that all requests wait", func() bool { return d.budget.used.Load() == senders*bytesPerSample })
	release()
	group.Wait()
	if d.store.commits > 2 {
		t.Errorf("%d commits for %d requests", d.store.commits, senders)
	}
	if n := len(d.store.content()); n != senders {
		t.Errorf("%d samples stored, want %d", n, senders)
	}
}

// TestBackPressure: when too much waits, requests are answered 503, and taken
// again later.
func TestBackPressure(t *testing.T) {
	d := openDoor(t, Config{Regions: 1, BufferBytes: 2000}, nil)
	release := d.hold(1)
	first := make(chan int)
	go func() {
		var list []prompb.TimeSeries
		for i := range 100 { // more than the buffer, which is empty
			list = append(list, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1)))
		}
		code, _, _ := d.post(d.Write(), packSnappy(t, list...))
		first <- code
	}()
	eventually(t, "that the first request waits", func() bool { return d.budget.used.Load() == 100*bytesPerSample })
	code, text, header := d.post(d.Write(), packSnappy(t, good))
	if code != 503 || header.Get("Retry-After") == "" {
		t.Errorf("answered %d %q with Retry-After %q", code, text, header.Get("Retry-After"))
	}
	release()
	if code := <-first; code != 204 {
		t.Errorf("the first request was answered %d", code)
	}
	if code, text, _ := d.post(d.Write(), packSnappy(t, good)); code != 204 {
		t.Errorf("afterwards answered %d %q", code, text)
	}
}

// TestOnlyTheGuiltySuffers: when the database refuses a flush, the requests in
// it are written one by one.
func TestOnlyTheGuiltySuffers(t *testing.T) {
	d := openDoor(t, Config{Regions: 1}, func(s *memStore) {
		s.onSeries = func(list []series.Wanted) error {
			for _, n := range list {
				if slices.Contains(n.Labels, series.Label{Name: "job", Value: "poison"}) {
					return fmt.Errorf("insert: %w", sequence.ErrBadContent)
				}
			}
			return nil
		}
	})
	release := d.hold(1)
	codes := make([]int, 6)
	var group sync.WaitGroup
	for i := range codes {
		group.Go(func() {
			job := fmt.Sprint(i)
			if i == 3 {
				job = "poison"
			}
			codes[i], _, _ = d.post(d.Write(), packSnappy(t, ts("__name__ m job "+job, at(int64(i), 1)), ts("__name__ shared", at(5, float64(7)))))
		})
	}
	eventually(t, "that all requests wait", func() bool { return d.budget.used.Load() == 12*bytesPerSample })
	release()
	group.Wait()
	if !slices.Equal(codes, []int{204, 204, 204, 400, 204, 204}) {
		t.Errorf("answered %v", codes)
	}
	if n := len(d.store.content()); n != 6 {
		t.Errorf("%d samples stored, want 6", n)
	}
	if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(Refused))); n != 2 {
		t.Errorf("%v samples counted as refused by the database, want 2", n)
	}
}

// TestOneRegionFails: a request is durable in one region and not in the other;
// its sender is told to send again, and sending again is harmless.
func TestOneRegionFails(t *testing.T) {
	failing := true
	d := openDoor(t, Config{Regions: 2}, func(s *memStore) {
		s.onCommit = func(fl sequence.Flush, _ []segment.Segment) (bool, error) {
			if failing && fl.Region == 2 {
				return false, fmt.Errorf("commit: %w", sequence.ErrUnavailable)
			}
			return true, nil
		}
	})
	var list []prompb.TimeSeries
	for i := range 50 {
		list = append(list, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1)))
	}
	if code, text, _ := d.post(d.Write(), packSnappy(t, list...)); code != 503 {
		t.Fatalf("answered %d %q", code, text)
	}
	half := len(d.store.content())
	if half == 0 || half == 50 {
		t.Fatalf("%d samples stored: the series are all in one region", half)
	}
	d.store.mu.Lock()
	failing = false
	d.store.mu.Unlock()
	if code, text, _ := d.post(d.Write(), packSnappy(t, list...)); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	if n := len(d.store.content()); n != 50 {
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
	d := openDoor(t, Config{}, nil)
	for range 3 {
		if code, text, _ := d.post(d.Write(), packSnappy(t, good)); code != 204 {
			t.Fatalf("answered %d %q", code, text)
		}
	}
	if d.store.commits != 1 {
		t.Errorf("%d commits, want 1", d.store.commits)
	}
	if n := testutil.ToFloat64(d.metrics.samples); n != 3 {
		t.Errorf("%v samples counted as written, want 3", n)
	}
}

// TestTimesAreCheckedAtTheDoor: once a flush has told the database's clock and
// what retention has given up, requests are checked before they wait.
func TestTimesAreCheckedAtTheDoor(t *testing.T) {
	d := openDoor(t, Config{Regions: 1}, func(s *memStore) { s.earliest = 500 })
	if code, text, _ := d.post(d.Write(), packSnappy(t, good)); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	for _, row := range []struct {
		t    int64
		text string
	}{{499, "retention"}, {d.store.now + 700_000, "ahead"}} {
		code, text, _ := d.post(d.Write(), packSnappy(t, ts("__name__ m", at(row.t, 1))))
		if code != 400 || !strings.Contains(text, row.text) {
			t.Errorf("sample at %d: answered %d %q", row.t, code, text)
		}
	}
	if n := testutil.ToFloat64(d.metrics.flushes.WithLabelValues("committed")); n != 1 {
		t.Errorf("%v flushes, want 1", n)
	}
}

// TestHintsFollowTheAnswer: OnCommit tells what was written, per flush.
func TestHintsFollowTheAnswer(t *testing.T) {
	hints := make(chan Commit, 10)
	d := openDoor(t, Config{Regions: 1, OnCommit: func(c Commit) { hints <- c }}, nil)
	body := packSnappy(t, ts("__name__ a", at(10, 1), at(20, 1)), ts("__name__ b", at(5, 1)))
	if code, text, _ := d.post(d.Write(), body); code != 204 {
		t.Fatalf("answered %d %q", code, text)
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
	g := newTestIngester(t, newMemStore(1), Config{})
	f := g.flushers[0]
	labels := modelLabels[0]
	look := func() *knownSeries {
		s, _ := g.registry.spelled("", labels)
		return s
	}
	write := func(s *knownSeries, at int64) {
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
	if g.registry.count.Load() != 0 || g.registry.known("", labels) != nil {
		t.Fatal("the idle series is still there")
	}
	if len(g.registry.metrics[0]) != 0 || len(f.all) != 0 {
		t.Fatal("something of the idle series is still there")
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
	g := newTestIngester(t, newMemStore(1), Config{})
	f := g.flushers[0]
	s, _ := g.registry.spelled("", modelLabels[0])
	b := newBatch(1)
	b.request, b.budget = newRequest(), g.budget
	b.request.pending.Store(1)
	b.samples = append(b.samples, batchSample{series: s, t: 1, v: 1})
	f.buf.add(b)
	f.evict(time.Now())
	f.evict(time.Now().Add(24 * time.Hour))
	if s.dead {
		t.Fatal("a series with a waiting sample was forgotten")
	}
	f.flush(context.Background(), f.buf.take())
}

// TestRestoreIsNoticedBehindAGap: the process's own sequence was lost and
// others went past it. The gap alone looks like others' writes.
func TestRestoreIsNoticedBehindAGap(t *testing.T) {
	store := newMemStore(1)
	a, b := newTestIngester(t, store, Config{}), newTestIngester(t, store, Config{})
	writeOne(t, a, 100)
	writeOne(t, a, 200)
	store.truncate(1, 1)
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
	store := newMemStore(1)
	a, b := newTestIngester(t, store, Config{}), newTestIngester(t, store, Config{})
	writeOne(t, a, 100)
	writeOne(t, b, 200)
	store.regions[1].pruned = 1
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
	s, _ := g.registry.spelled("", modelLabels[0])
	in := newIntake(g.registry, 1, g.cfg.Limits, 0, segment.MaxTime)
	defer in.release()
	in.add(s, []sample{{at, 1}})
	bt := in.take(1)
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
	store := newMemStore(1)
	g := newTestIngester(t, store, Config{})
	d := &door{Ingester: g, store: store, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	release := d.hold(1)
	codes := make(chan int, 2)
	for i := range 2 {
		go func() {
			code, _, _ := d.post(d.Write(), packSnappy(t, ts(fmt.Sprintf("__name__ m i %d", i), at(1, 1))))
			codes <- code
		}()
	}
	eventually(t, "that both requests wait", func() bool { return g.budget.used.Load() == 2*bytesPerSample })
	cancel()
	eventually(t, "that the buffer is closed", func() bool {
		g.flushers[0].buf.mu.Lock()
		defer g.flushers[0].buf.mu.Unlock()
		return g.flushers[0].buf.closed
	})
	release()
	for range 2 {
		if code := <-codes; code != 204 {
			t.Errorf("a waiting request was answered %d", code)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code, _, _ := d.post(d.Write(), packSnappy(t, good)); code != 503 {
		t.Errorf("after the end answered %d", code)
	}
}

// TestEndDoesNotWaitForEver: a database that hangs holds Run up for no longer
// than the drain timeout.
func TestEndDoesNotWaitForEver(t *testing.T) {
	store := newMemStore(1)
	g := newTestIngester(t, store, Config{DrainTimeout: 10 * time.Millisecond})
	d := &door{Ingester: g, store: store, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer d.hold(1)()
	codes := make(chan int, 1)
	go func() {
		code, _, _ := d.post(d.Write(), packSnappy(t, good))
		codes <- code
	}()
	eventually(t, "that the request waits", func() bool { return g.budget.used.Load() == bytesPerSample })
	cancel()
	if code := <-codes; code != 503 {
		t.Errorf("answered %d", code)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestConcurrentWriters runs two ingesters with real goroutines on the same
// regions, while series are evicted; under the race detector.
func TestConcurrentWriters(t *testing.T) {
	store := newMemStore(2)
	store.onCommit = func(fl sequence.Flush, segs []segment.Segment) (bool, error) {
		for i := range segs {
			checkSegment(t, fl, &segs[i])
		}
		return true, nil
	}
	var doors []*door
	for range 2 {
		d := &door{Ingester: newTestIngester(t, store, Config{Regions: 2, SeriesIdle: 2 * time.Millisecond}), store: store, t: t}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		doors = append(doors, d)
	}
	var group sync.WaitGroup
	for sender := range 8 {
		group.Go(func() {
			d := doors[sender%2]
			for round := range 40 {
				var list []prompb.TimeSeries
				for i := range 20 {
					list = append(list, ts(fmt.Sprintf("__name__ m%d i %d sender %d", i%3, i, sender%4), at(int64(1000+round), float64(round))))
				}
				if code, text, _ := d.post(d.Write(), packSnappy(t, list...)); code != 204 {
					t.Errorf("answered %d %q", code, text)
				}
			}
		})
	}
	group.Wait()
	if n := len(store.content()); n != 40*20*4 {
		t.Errorf("%d samples stored, want %d", n, 40*20*4)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Regions: 1025}, {Regions: 1, FlushSamples: -1}, {Regions: 1, Limits: Limits{Labels: -1}}} {
		if _, err := New(newMemStore(1), cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	reg := prometheus.NewRegistry()
	if _, err := New(newMemStore(1), Config{Regions: 1, Registerer: reg, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(newMemStore(1), Config{Regions: 1, Registerer: reg, Logger: quiet()}); err == nil {
		t.Error("two ingesters share one registry")
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}
