package replica

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"laminar/ingest/ingesttest"
)

func newTestTracker(t *testing.T, e *ingesttest.Elector) *Tracker {
	t.Helper()
	cfg, err := Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Elector: e, Clock: e.Clock}.WithDefaults()
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
	h := newTestTracker(t, ingesttest.NewElector())
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
	e := ingesttest.NewElector()
	trackers := []*Tracker{newTestTracker(t, e), newTestTracker(t, e)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 200 {
				h := trackers[n%2]
				replica := []string{"a", "b"}[i%2]
				before, now := e.Elected("eu")
				ok, err := h.elected(t.Context(), h.who(h.Pair("eu", replica)))
				if err != nil {
					t.Error(err)
				}
				after, then := e.Elected("eu")
				if after == before && then == now && before != "" && ok != (before == replica) {
					t.Errorf("%s is elected, %s is told %v", before, replica, ok)
				}
				if n%10 == 0 {
					e.Pass(7 * time.Second)
				}
			}
		})
	}
	group.Wait()
}

// TestPairSettings: half a configuration is none.
func TestPairSettings(t *testing.T) {
	e := ingesttest.NewElector()
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
