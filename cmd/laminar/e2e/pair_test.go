package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// pairFailover is how long a replica must be silent in TestPairOfSenders.
// None may be taken to be silent because the machine has much else to do.
const pairFailover = 30 * time.Second

// TestPairOfSenders lets a pair of senders write the same series to two
// processes in turn. The one that is elected falls silent and comes back. In
// the end the samples in the database, in the order of their commits, are those
// of the first replica and then those of the second one, every one that was
// confirmed and no other.
func TestPairOfSenders(t *testing.T) {
	t.Parallel()
	db := sqltest.New(t)
	var urls []string
	for range 2 {
		in := laminartest.New(t, "--ha-cluster-label", "cluster", "--ha-replica-label", "__replica__",
			"--ha-failover-timeout", fmt.Sprintf("%dms", pairFailover.Milliseconds()))
		in.URL = db.URL
		in.Serve()
		urls = append(urls, in.WriteURL())
	}
	pair := []*replica{{t: t, name: "a", value: 1, urls: urls}, {t: t, name: "b", value: 2, urls: urls}}
	var group sync.WaitGroup
	for _, r := range pair {
		group.Go(r.run)
	}
	defer group.Wait()
	defer func() { pair[0].stop.Store(true); pair[1].stop.Store(true) }()

	eventually(t, "both replicas have sent a while", func() bool { return pair[0].answers() > 20 && pair[1].answers() > 20 })
	first, second := pair[0], pair[1]
	if first.stored.Load() == 0 {
		first, second = second, first
	}
	if n := second.stored.Load(); n != 0 {
		t.Fatalf("samples of both replicas are stored, %d of the second one", n)
	}
	first.silent.Store(true)
	eventually(t, "the last sample of the first replica is answered", func() bool { return !first.busy.Load() })
	fellSilent, stored := time.UnixMilli(first.began.Load()), first.stored.Load()
	eventually(t, "samples of the second replica are stored", func() bool { return second.stored.Load() > 0 })
	// What came last, after its request began, was taken note of a third of the timeout before
	// at worst.
	if waited := time.Since(fellSilent); waited < pairFailover/2 {
		t.Errorf("failover came after %s, want %s at least", waited, pairFailover/2)
	}
	before := first.answers()
	first.silent.Store(false)
	eventually(t, "the first replica has sent a while again", func() bool { return first.answers() > before+20 })
	first.stop.Store(true)
	second.stop.Store(true)
	group.Wait()
	if n := first.stored.Load(); n != stored {
		t.Errorf("%d samples of the first replica are stored after the failover", n-stored)
	}

	pool := db.Pool(t)
	var series, changes, total int64
	err := pool.QueryRow(t.Context(), `
		select count(distinct series_id), count(*) filter (where value <> earlier), count(*)
		from (select series_id, value, lag(value) over (order by seq) as earlier from laminar.sample) x`).Scan(&series, &changes, &total)
	if err != nil {
		t.Fatal(err)
	}
	if want := first.stored.Load() + second.stored.Load(); series != 1 || changes != 1 || total != want {
		t.Errorf("%d samples of %d series change replica %d times, want %d samples of one series and one change", total, series, changes, want)
	}
	if n := count(t, pool, "select count(*) from laminar.series where labels ? '__replica__' or labels->>'cluster' is distinct from 'eu'"); n != 0 {
		t.Errorf("%d series have the replica label, or no cluster", n)
	}
}

// replica sends a sample every 20 ms, to one process after the other, with a
// value that tells where it comes from.
type replica struct {
	t     *testing.T
	name  string
	value float64
	urls  []string

	stop, silent, busy atomic.Bool
	stored, dropped    atomic.Int64
	began              atomic.Int64 // the last request, Unix time in ms
}

func (r *replica) answers() int64 { return r.stored.Load() + r.dropped.Load() }

func (r *replica) run() {
	last := int64(0)
	for n := 0; !r.stop.Load(); n++ {
		time.Sleep(20 * time.Millisecond) // as a sender does
		r.busy.Store(true)
		if !r.silent.Load() {
			last = max(last+2, time.Now().UnixMilli())
			for deadline := time.Now().Add(patience); !r.send(n, last); {
				if time.Now().After(deadline) {
					r.t.Errorf("%s is not answered within %s", r.name, patience)
					return
				}
				time.Sleep(20 * time.Millisecond) // as a sender does
			}
		}
		r.busy.Store(false)
	}
}

// send reports whether the sample was answered. A 5xx is no answer: a busy process gives it
// when it does not learn in time who is elected.
func (r *replica) send(n int, at int64) (answered bool) {
	r.began.Store(time.Now().UnixMilli())
	raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "__replica__", Value: r.name}, {Name: "cluster", Value: "eu"}},
		Samples: []prompb.Sample{{Timestamp: at - at%2 + int64(r.value) - 1, Value: r.value}}, // each replica has times of its own
	}}}).Marshal()
	if err != nil {
		r.t.Error(err)
		return true
	}
	req, err := http.NewRequest(http.MethodPost, r.urls[n%len(r.urls)], bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		r.t.Error(err)
		return true
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Error(err)
		return true
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNoContent:
		r.stored.Add(1)
	case resp.StatusCode == http.StatusAccepted:
		r.dropped.Add(1)
	case resp.StatusCode/100 == 5:
		return false
	default:
		r.t.Errorf("%s is answered %s", r.name, resp.Status)
	}
	return true
}
