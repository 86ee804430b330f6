package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"laminar/ingest/ingesttest"
	"laminar/sequence"
	"laminar/sequence/series"
)

// memElector is a ReplicaElector in memory, by a clock of its own. Both the clock and
// the answers are shared by the processes of a test, as a database is.
type memElector struct {
	mu    sync.Mutex
	now   time.Duration
	seen  map[string]time.Duration
	who   map[string]string
	asked int
	away  bool
}

func newMemElector() *memElector {
	return &memElector{seen: map[string]time.Duration{}, who: map[string]string{}}
}

func (e *memElector) Elect(_ context.Context, cluster, replica string, failover time.Duration) (string, time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked++; e.away {
		return "", 0, fmt.Errorf("elect: %w", sequence.ErrUnavailable)
	}
	if old, ok := e.who[cluster]; !ok || old == replica || e.seen[cluster] <= e.now-failover {
		e.who[cluster], e.seen[cluster] = replica, e.now
	}
	return e.who[cluster], e.seen[cluster] + failover - e.now, nil
}

// pass lets time pass, for the elector and the processes.
func (e *memElector) pass(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now += d
}

func (e *memElector) clock() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// openPairs opens a receiver of which pairs are told apart by the labels cluster
// and __replica__, with a failover timeout of 30 s of the elector's clock.
func openPairs(t *testing.T, e *memElector) *receiver {
	t.Helper()
	d := openReceiver(t, Config{HA: HA{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Failover: 30 * time.Second, Elector: e}}, nil)
	d.registry.ha.clock = e.clock
	return d
}

// sendPair sends one sample as a replica does and checks the answer: stored,
// not elected, or that nobody knows.
func (d *receiver) sendPair(step, replica string, t int64, v float64, want error) {
	d.t.Helper()
	written, err := d.send(ts("__name__ up cluster eu __replica__ "+replica+" job x", at(t, v)))
	if !errors.Is(err, want) {
		d.t.Errorf("%s: %s is answered %v, want %v", step, replica, err, want)
	}
	if unknown := want == errUnknown; written.Samples != 1 && !unknown || written.Samples != 0 && unknown {
		d.t.Errorf("%s: %+v is confirmed", step, written)
	}
}

// errUnknown is what a request is answered while nobody knows who is elected.
var errUnknown = sequence.ErrUnavailable

const pairSeries = "__name__\xffup\xffcluster\xffeu\xffjob\xffx\xff"

// TestPair walks one process through a pair's life: election, refreshes,
// failover, the old one's return, a database that goes away. The values say
// which replica's sample is stored.
func TestPair(t *testing.T) {
	e := newMemElector()
	d := openPairs(t, e)
	want, now := map[key]uint64{}, int64(0)
	send := func(step, replica string, answer error, asked int) {
		t.Helper()
		v := map[string]float64{"a": 1, "b": 2}[replica]
		now += 1000
		before := e.asked
		d.sendPair(step, replica, now, v, answer)
		if answer == nil {
			want[key{Labels: pairSeries, T: now}] = bits(v)
		}
		if n := e.asked - before; n != asked {
			t.Errorf("%s: the elector was asked %d times, want %d", step, n, asked)
		}
	}
	send("first", "a", nil, 1)
	send("its pair", "b", errNotElected, 0)
	for range 5 {
		send("on", "a", nil, 0)
		send("on", "b", errNotElected, 0)
	}
	e.pass(9 * time.Second)
	send("before a refresh", "a", nil, 0)
	e.pass(time.Second)
	send("a refresh", "a", nil, 1)
	send("once", "a", nil, 0)
	e.pass(29 * time.Second)
	send("the elected one is silent", "b", errNotElected, 0)
	e.pass(time.Second)
	send("failover", "b", nil, 1)
	send("the old one is back", "a", errNotElected, 0)
	e.pass(10 * time.Second)
	send("a refresh of the new one", "b", nil, 1)

	e.mu.Lock()
	e.away = true
	e.mu.Unlock()
	send("away", "b", nil, 0)
	send("away", "a", errNotElected, 0)
	e.pass(10 * time.Second)
	send("away when a refresh is due", "b", nil, 1)
	send("it is not asked every time", "b", nil, 0)
	send("nor for the other", "a", errNotElected, 0)
	e.pass(time.Second)
	send("it is asked again", "b", nil, 1)
	e.pass(20 * time.Second)
	send("nobody knows", "b", errUnknown, 1)
	send("nobody knows", "a", errUnknown, 1)
	e.mu.Lock()
	e.away = false
	e.mu.Unlock()
	send("the first to come after that", "a", nil, 1)
	send("the other", "b", errNotElected, 0)

	d.store.Require(t, want)
	m := d.registry.ha.metrics
	if n := testutil.ToFloat64(m.failovers.WithLabelValues("eu")); n != 2 {
		t.Errorf("%v failovers are counted, want 2", n)
	}
	if n := testutil.ToFloat64(m.dropped.WithLabelValues("eu")); n != 11 {
		t.Errorf("%v dropped samples are counted, want 11", n)
	}
	if n := testutil.ToFloat64(m.failures.WithLabelValues("eu")); n != 4 {
		t.Errorf("%v failures are counted, want 4", n)
	}
	if n := testutil.ToFloat64(m.elected.WithLabelValues("eu", "a")); n != 1 || testutil.CollectAndCount(m.elected) != 1 {
		t.Errorf("a is elected: %v, of %d", n, testutil.CollectAndCount(m.elected))
	}
}

// TestPairThroughTwoProcesses: whatever process a sample comes to, and whenever
// each of them last asked, one replica's samples are stored at a time; the
// other's are dropped only while the elected one's come.
func TestPairThroughTwoProcesses(t *testing.T) {
	e := newMemElector()
	x, y := openPairs(t, e), openPairs(t, e)
	x.sendPair("first", "a", 1000, 1, nil)
	y.sendPair("its pair elsewhere", "b", 2000, 2, errNotElected)
	y.sendPair("first elsewhere", "a", 3000, 1, nil)
	e.pass(10 * time.Second)
	y.sendPair("a refresh elsewhere", "a", 4000, 1, nil)
	e.pass(20 * time.Second) // x last heard 30 s ago that a is elected
	x.sendPair("its pair, where nothing came for long", "b", 5000, 2, errNotElected)
	e.pass(10 * time.Second)
	x.sendPair("failover here", "b", 6000, 2, nil)
	y.sendPair("the old one, where it was last heard", "a", 7000, 1, errNotElected)
	y.sendPair("the new one there", "b", 8000, 2, nil)
	e.pass(30 * time.Second)
	y.sendPair("failover there", "a", 9000, 1, nil)
	x.sendPair("the old one here", "b", 10_000, 2, errNotElected)
}

// TestFastLocalClock: a process whose clock runs fast asks more often, and
// decides nothing else.
func TestFastLocalClock(t *testing.T) {
	e := newMemElector()
	d := openPairs(t, e)
	d.registry.ha.clock = func() time.Duration { return 1000 * e.clock() }
	d.sendPair("first", "a", 1000, 1, nil)
	for i := range int64(5) {
		e.pass(5 * time.Second)
		d.sendPair("its pair", "b", 2000+i, 2, errNotElected)
	}
	// Nor do times of samples count.
	d.sendPair("its pair, ahead", "b", d.store.Now+500_000, 2, errNotElected)
	e.pass(5 * time.Second)
	d.sendPair("failover", "b", 3000, 2, nil)
}

// TestSeriesOfPairs: labels decide series by series, so several pairs and
// senders without one may share a request, as through a vmagent.
func TestSeriesOfPairs(t *testing.T) {
	e := newMemElector()
	d := openPairs(t, e)
	d.sendPair("eu", "a", 1, 1, nil)
	if _, _, err := e.Elect(t.Context(), "us", "d", time.Minute); err != nil {
		t.Fatal(err)
	}
	list := []entry{
		ts("__name__ m cluster eu __replica__ a", at(1, 1)),
		ts("__name__ m cluster eu __replica__ b", at(1, 2)),
		ts("__name__ m cluster us __replica__ c", at(1, 3), at(2, 3)),
		ts("__replica__ d __name__ m cluster us", at(1, 4)),
		ts("__name__ m cluster eu", at(2, 5)),
		ts("__name__ m __replica__ a", at(1, 6)),
		ts("__name__ m __replica__ - cluster eu", at(3, 7)),
		ts("__name__ m cluster - __replica__ b", at(1, 8)),
	}
	if err := d.post(list...); err != nil {
		t.Errorf("answered %v", err)
	}
	want := map[key]uint64{
		{Labels: pairSeries, T: 1}:                           bits(1),
		{Labels: "__name__\xffm\xffcluster\xffeu\xff", T: 1}: bits(1),
		{Labels: "__name__\xffm\xffcluster\xffus\xff", T: 1}: bits(4),
		{Labels: "__name__\xffm\xffcluster\xffeu\xff", T: 2}: bits(5),
		{Labels: "__name__\xffm\xffcluster\xffeu\xff", T: 3}: bits(7),
	}
	withReplica := func(replica string) key {
		return key{Labels: string(canonicalOf("__name__ m __replica__ " + replica)), T: 1}
	}
	want[withReplica("a")], want[withReplica("b")] = bits(6), bits(8)
	d.store.Require(t, want)
	if n := testutil.ToFloat64(d.registry.ha.metrics.dropped.WithLabelValues("us")); n != 2 {
		t.Errorf("%v dropped samples are counted for us, want 2", n)
	}

	// A request all of which is dropped but a bad series is told of that.
	written, err := d.send(ts("__name__ m cluster eu __replica__ b", at(9, 1)),
		ts("cluster eu __replica__ b", at(9, 1)), ts("__name__ m cluster eu cluster us __replica__ b", at(9, 1)))
	if !errors.Is(err, errRefused) || written != (Tally{Samples: 1}) {
		t.Errorf("answered %v, %+v written", err, written)
	}
	if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(DuplicateLabel))); n != 1 {
		t.Errorf("%v samples are refused for a label that stands twice, want 1", n)
	}
}

// canonicalOf makes canonical labels of "name value" pairs.
func canonicalOf(labels string) []byte {
	var raw []series.RawLabel
	list := strings.Fields(labels)
	for i := 0; i < len(list); i += 2 {
		raw = append(raw, series.RawLabel{Name: []byte(list[i]), Value: []byte(list[i+1])})
	}
	canonical, _, _ := canonicalize(nil, raw, Limits{Labels: 64, LabelBytes: 2000})
	return canonical
}

// TestTooManyReplicas: a sender cannot fill the memory with names of replicas.
func TestTooManyReplicas(t *testing.T) {
	h := newHATracker(HA{ClusterLabel: "c", ReplicaLabel: "r"}, nil)
	for i := range maxPairs + 5 {
		id := h.pair("c", fmt.Sprint(i))
		if (id == 0) != (i >= maxPairs) {
			t.Fatalf("replica %d has id %d", i, id)
		}
		if id != 0 && (h.who(id).replica != fmt.Sprint(i) || h.pair("c", fmt.Sprint(i)) != id) {
			t.Fatalf("id %d is %v", id, h.who(id))
		}
	}
	g := newTestRegistry(1)
	g.ha = h
	labels := []series.RawLabel{{Name: []byte("c"), Value: []byte("c")}, {Name: []byte("__name__"), Value: []byte("m")}, {Name: []byte("r"), Value: []byte("one more")}}
	if _, refused := g.spelled("x", labels); refused != TooManyReplicas || len(g.series) != 0 {
		t.Errorf("one more is refused for %q", refused)
	}
}

// TestBadReplicas: what PostgreSQL would refuse, and the request with it, is
// refused series by series; nothing of it is remembered.
func TestBadReplicas(t *testing.T) {
	e := newMemElector()
	d := openPairs(t, e)
	long := strings.Repeat("x", 2001)
	written, err := d.send(ts("__name__ good", at(1, 1)),
		ts("__name__ m cluster eu __replica__ a\xff", at(1, 1)), ts("__name__ m cluster eu __replica__ a\x00", at(1, 1)),
		ts("__name__ m cluster eu __replica__ "+long, at(1, 1)), ts("__name__ m cluster \xff __replica__ a", at(1, 1)),
		ts("__name__ m __replica__ a cluster eu __replica__ b", at(1, 1)), ts("cluster eu __replica__ a", at(1, 1)),
	)
	if !errors.Is(err, errRefused) || written != (Tally{Samples: 1}) || !strings.Contains(err.Error(), "refused 6 samples") {
		t.Errorf("answered %v, %+v written", err, written)
	}
	for reason, want := range map[Reason]float64{InvalidUTF8: 2, ZeroByte: 1, LabelsTooLong: 1, DuplicateLabel: 1, NoName: 1} {
		if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(reason))); n != want {
			t.Errorf("%v samples are refused for %s, want %v", n, reason, want)
		}
	}
	if n := len(*d.registry.ha.pairs.Load()); n != 0 || e.asked != 0 {
		t.Errorf("%d replicas are remembered, the elector was asked %d times", n, e.asked)
	}
}

// TestPairsAtOnce: requests of many goroutines over pairs that fail over all
// the time store one replica's samples between two failovers.
func TestPairsAtOnce(t *testing.T) {
	e := newMemElector()
	receivers := []*receiver{openPairs(t, e), openPairs(t, e)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 200 {
				d := receivers[n%2]
				replica := []string{"a", "b"}[i%2]
				e.mu.Lock()
				before, now := e.who["eu"], e.now
				e.mu.Unlock()
				ok, err := d.registry.ha.elected(t.Context(), d.registry.ha.who(d.registry.ha.pair("eu", replica)))
				if err != nil {
					t.Error(err)
				}
				e.mu.Lock()
				same := e.who["eu"] == before && e.now == now && before != ""
				e.mu.Unlock()
				if same && ok != (before == replica) {
					t.Errorf("%s is elected, %s is told %v", before, replica, ok)
				}
				if n%10 == 0 {
					e.pass(7 * time.Second)
				}
			}
		})
	}
	group.Wait()
}

// TestPairSettings: half a configuration is none.
func TestPairSettings(t *testing.T) {
	e := newMemElector()
	for _, ha := range []HA{
		{ClusterLabel: "c"}, {ReplicaLabel: "r", Elector: e}, {ClusterLabel: "c", ReplicaLabel: "r"},
		{ClusterLabel: "c", ReplicaLabel: "c", Elector: e}, {ClusterLabel: "c", ReplicaLabel: "r", Elector: e, Failover: -1},
	} {
		if _, err := New(storeOf{ingesttest.New(1)}, Config{Regions: 1, HA: ha}); err == nil {
			t.Errorf("%+v is accepted", ha)
		}
	}
}
