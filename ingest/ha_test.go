package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/sequence/series"
)

// openPairs opens a receiver of which pairs are told apart by the labels cluster
// and __replica__, with a failover timeout of 30 s of the elector's clock.
func openPairs(t *testing.T, e *ingesttest.Elector) *receiver {
	t.Helper()
	return openPairsBy(t, e, e.Clock)
}

// openPairsBy is openPairs with another clock.
func openPairsBy(t *testing.T, e *ingesttest.Elector, clock func() time.Duration) *receiver {
	t.Helper()
	ha := replica.Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Failover: 30 * time.Second, Elector: e, Clock: clock}
	return openReceiver(t, Config{HA: ha, Registerer: prometheus.NewRegistry()}, nil)
}

// sendPair sends one sample as a replica does and checks the answer: stored,
// not elected, or that nobody knows.
func (d *receiver) sendPair(step, from string, t int64, v float64, want error) {
	d.t.Helper()
	written, err := d.send(ts("__name__ up cluster eu __replica__ "+from+" job x", at(t, v)))
	if !errors.Is(err, want) {
		d.t.Errorf("%s: %s is answered %v, want %v", step, from, err, want)
	}
	if unknown := errors.Is(want, errUnknown); written.Samples != 1 && !unknown || written.Samples != 0 && unknown {
		d.t.Errorf("%s: %+v is confirmed", step, written)
	}
}

// errUnknown is what a request is answered while nobody knows who is elected.
var errUnknown = sequence.ErrUnavailable

// pairMetric is what a metric of pairs says of a cluster, of all its replicas
// together.
func (d *receiver) pairMetric(name, of string) (n float64) {
	d.t.Helper()
	families, err := d.cfg.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "laminar_ha_"+name && m.GetLabel()[0].GetValue() == of {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

const pairSeries = "__name__\xffup\xffcluster\xffeu\xffjob\xffx\xff"

// TestPair walks one process through a pair's life: election, refreshes,
// failover, the old one's return, a database that goes away. The values say
// which replica's sample is stored.
func TestPair(t *testing.T) {
	e := ingesttest.NewElector()
	d := openPairs(t, e)
	want, now := map[key]uint64{}, int64(0)
	send := func(step, from string, answer error, asked int) {
		t.Helper()
		v := map[string]float64{"a": 1, "b": 2}[from]
		now += 1000
		before := e.Asked()
		d.sendPair(step, from, now, v, answer)
		if answer == nil {
			want[key{Labels: pairSeries, T: now}] = bits(v)
		}
		if n := e.Asked() - before; n != asked {
			t.Errorf("%s: the elector was asked %d times, want %d", step, n, asked)
		}
	}
	send("first", "a", nil, 1)
	send("its pair", "b", errNotElected, 0)
	for range 5 {
		send("on", "a", nil, 0)
		send("on", "b", errNotElected, 0)
	}
	e.Pass(9 * time.Second)
	send("before a refresh", "a", nil, 0)
	e.Pass(time.Second)
	send("a refresh", "a", nil, 1)
	send("once", "a", nil, 0)
	e.Pass(29 * time.Second)
	send("the elected one is silent", "b", errNotElected, 0)
	e.Pass(time.Second)
	send("failover", "b", nil, 1)
	send("the old one is back", "a", errNotElected, 0)
	e.Pass(10 * time.Second)
	send("a refresh of the new one", "b", nil, 1)

	e.SetAway(true)
	send("away", "b", nil, 0)
	send("away", "a", errNotElected, 0)
	e.Pass(10 * time.Second)
	send("away when a refresh is due", "b", nil, 1)
	send("it is not asked every time", "b", nil, 0)
	send("nor for the other", "a", errNotElected, 0)
	e.Pass(time.Second)
	send("it is asked again", "b", nil, 1)
	e.Pass(20 * time.Second)
	send("nobody knows", "b", errUnknown, 1)
	send("nobody knows", "a", errUnknown, 1)
	e.SetAway(false)
	send("the first to come after that", "a", nil, 1)
	send("the other", "b", errNotElected, 0)

	d.store.Require(t, want)
	for name, want := range map[string]float64{"failovers_total": 2, "dropped_samples_total": 11, "election_failures_total": 4, "elected": 1} {
		if n := d.pairMetric(name, "eu"); n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
}

// TestPairThroughTwoProcesses: whatever process a sample comes to, and whenever
// each of them last asked, one replica's samples are stored at a time; the
// other's are dropped only while the elected one's come.
func TestPairThroughTwoProcesses(t *testing.T) {
	e := ingesttest.NewElector()
	x, y := openPairs(t, e), openPairs(t, e)
	x.sendPair("first", "a", 1000, 1, nil)
	y.sendPair("its pair elsewhere", "b", 2000, 2, errNotElected)
	y.sendPair("first elsewhere", "a", 3000, 1, nil)
	e.Pass(10 * time.Second)
	y.sendPair("a refresh elsewhere", "a", 4000, 1, nil)
	e.Pass(20 * time.Second) // x last heard 30 s ago that a is elected
	x.sendPair("its pair, where nothing came for long", "b", 5000, 2, errNotElected)
	e.Pass(10 * time.Second)
	x.sendPair("failover here", "b", 6000, 2, nil)
	y.sendPair("the old one, where it was last heard", "a", 7000, 1, errNotElected)
	y.sendPair("the new one there", "b", 8000, 2, nil)
	e.Pass(30 * time.Second)
	y.sendPair("failover there", "a", 9000, 1, nil)
	x.sendPair("the old one here", "b", 10_000, 2, errNotElected)
}

// TestFastLocalClock: a process whose clock runs fast asks more often, and
// decides nothing else.
func TestFastLocalClock(t *testing.T) {
	e := ingesttest.NewElector()
	d := openPairsBy(t, e, func() time.Duration { return 1000 * e.Clock() })
	d.sendPair("first", "a", 1000, 1, nil)
	for i := range int64(5) {
		e.Pass(5 * time.Second)
		d.sendPair("its pair", "b", 2000+i, 2, errNotElected)
	}
	// Nor do times of samples count.
	d.sendPair("its pair, ahead", "b", d.store.Now+500_000, 2, errNotElected)
	e.Pass(5 * time.Second)
	d.sendPair("failover", "b", 3000, 2, nil)
}

// TestSeriesOfPairs: labels decide series by series, so several pairs and
// senders without one may share a request, as through a vmagent.
func TestSeriesOfPairs(t *testing.T) {
	e := ingesttest.NewElector()
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
	withReplica := func(from string) key {
		return key{Labels: string(canonicalOf("__name__ m __replica__ " + from)), T: 1}
	}
	want[withReplica("a")], want[withReplica("b")] = bits(6), bits(8)
	d.store.Require(t, want)
	if n := d.pairMetric("dropped_samples_total", "us"); n != 2 {
		t.Errorf("%v dropped samples are counted for us, want 2", n)
	}

	// A request all of which is dropped but a bad series is told of that.
	written, err := d.send(ts("__name__ m cluster eu __replica__ b", at(9, 1)),
		ts("cluster eu __replica__ b", at(9, 1)), ts("__name__ m cluster eu cluster us __replica__ b", at(9, 1)))
	if !errors.Is(err, errRefused) || written != (Tally{Samples: 1}) {
		t.Errorf("answered %v, %+v written", err, written)
	}
	if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(refusal.DuplicateLabel))); n != 1 {
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
	canonical, _, _ := refusal.Canonical(nil, raw, refusal.Limits{Labels: 64, LabelBytes: 2000})
	return canonical
}

// TestLongNames: where labels may be longer than an entry of an index, the series of a name
// that the database could not keep is refused, and what is sent with it is stored.
func TestLongNames(t *testing.T) {
	e := ingesttest.NewElector()
	ha := replica.Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Failover: 30 * time.Second, Elector: e, Clock: e.Clock}
	d := openReceiver(t, Config{HA: ha, Limits: refusal.Limits{LabelBytes: 100_000}, Registerer: prometheus.NewRegistry()}, nil)
	fits, long := strings.Repeat("x", refusal.MaxName), strings.Repeat("x", refusal.MaxName+1)
	written, err := d.send(ts("__name__ good", at(1, 1)), ts("__name__ "+fits, at(1, 1)), ts("__name__ m l "+long, at(1, 1)),
		ts("__name__ m cluster "+fits+" __replica__ "+long, at(1, 1)),
		ts("__name__ "+long, at(1, 1)), ts("__name__ m cluster "+long+" __replica__ a", at(1, 1)))
	if !errors.Is(err, errRefused) || written != (Tally{Samples: 4}) || !strings.Contains(err.Error(), "refused 2 samples") || !strings.Contains(err.Error(), "longer than 2000 bytes") {
		t.Errorf("answered %.300v, %+v written", err, written)
	}
	if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(refusal.NameTooLong))); n != 2 {
		t.Errorf("%v samples are refused for their name, want 2", n)
	}
}

// TestBadReplicas: what PostgreSQL would refuse, and the request with it, is
// refused series by series; nothing of it is remembered.
func TestBadReplicas(t *testing.T) {
	e := ingesttest.NewElector()
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
	for reason, want := range map[refusal.Reason]float64{refusal.InvalidUTF8: 2, refusal.ZeroByte: 1, refusal.LabelsTooLong: 1, refusal.DuplicateLabel: 1, refusal.NoName: 1} {
		if n := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(reason))); n != want {
			t.Errorf("%v samples are refused for %s, want %v", n, reason, want)
		}
	}
	if id := d.registry.Replicas.Pair("any", "first"); id != 1 || e.Asked() != 0 {
		t.Errorf("%d replicas are remembered, the elector was asked %d times", id-1, e.Asked())
	}
}
