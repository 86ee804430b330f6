package replica

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
)

// memElector is an Elector in memory, by a clock of its own. Both the clock and
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

func newTestTracker(t *testing.T, e *memElector) *Tracker {
	t.Helper()
	cfg, err := Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Elector: e, Clock: e.clock}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTooManyPairs: names of replicas cannot fill the memory.
func TestTooManyPairs(t *testing.T) {
	h := newTestTracker(t, newMemElector())
	for i := range MaxPairs + 5 {
		id := h.Pair("c", fmt.Sprint(i))
		if (id == 0) != (i >= MaxPairs) {
			t.Fatalf("replica %d has id %d", i, id)
		}
		if id != 0 && (h.who(id).replica != fmt.Sprint(i) || h.Pair("c", fmt.Sprint(i)) != id) {
			t.Fatalf("id %d is %v", id, h.who(id))
		}
	}
}

// TestPairsAtOnce: requests of many goroutines over pairs that fail over all
// the time store one replica's samples between two failovers.
func TestPairsAtOnce(t *testing.T) {
	e := newMemElector()
	trackers := []*Tracker{newTestTracker(t, e), newTestTracker(t, e)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 200 {
				h := trackers[n%2]
				replica := []string{"a", "b"}[i%2]
				e.mu.Lock()
				before, now := e.who["eu"], e.now
				e.mu.Unlock()
				ok, err := h.elected(t.Context(), h.who(h.Pair("eu", replica)))
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
	for _, cfg := range []Config{
		{ClusterLabel: "c"}, {ReplicaLabel: "r", Elector: e}, {ClusterLabel: "c", ReplicaLabel: "r"},
		{ClusterLabel: "c", ReplicaLabel: "c", Elector: e}, {ClusterLabel: "c", ReplicaLabel: "r", Elector: e, Failover: -1},
	} {
		if _, err := cfg.WithDefaults(); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	if cfg, err := (Config{}).WithDefaults(); err != nil || cfg.Enabled() || cfg.Failover != DefaultFailover {
		t.Errorf("no pairs: %+v, %v", cfg, err)
	}
}
