package ingest

import (
	"sync"
	"testing"
	"time"
)

// TestTraffic: it is complete when as many are inside as were lately and all have
// arrived, and what is long ago is forgotten.
func TestTraffic(t *testing.T) {
	var c traffic
	now := time.Unix(1_700_000_000, 0)
	c.forget(now)
	want := func(when string, complete bool) {
		t.Helper()
		if c.complete() != complete {
			t.Errorf("%s: complete is %v", when, !complete)
		}
	}
	want("nobody was ever here", true)
	c.enter()
	want("one is coming", false)
	if !c.arrive() {
		t.Error("the only one is not the last to arrive")
	}
	want("one has arrived", true)
	c.enter()
	want("another is coming", false)
	c.arrive()
	c.leave()
	want("one of two has left", false)
	c.enter()
	want("it is coming back", false)
	c.arrive()
	want("it is back", true)
	c.leave()
	c.forget(now.Add(trafficMemory - 1))
	want("not long ago there were two", false)
	c.forget(now.Add(trafficMemory))
	want("a while ago there were two", false)
	c.forget(now.Add(2 * trafficMemory))
	want("since long there is one", true)
	c.leave()
}

// TestLingerForWhoIsLikelyToCome: a flush waits for others as long as they were
// there a moment ago, and not at all for a sender that is alone. Nothing here
// waits as long as it may.
func TestLingerForWhoIsLikelyToCome(t *testing.T) {
	d := openReceiver(t, Config{Regions: 2, Linger: time.Hour}, nil)
	post := func(i int) {
		if err := d.post(ts("__name__ m", at(int64(i), 1))); err != nil {
			t.Errorf("request %d is answered %v", i, err)
		}
	}
	for i := range 5 {
		post(i)
	}
	// Two at once, so that two are expected from now on.
	release := []func(){d.store.Hold(1), d.store.Hold(2)}
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() { post(10 + i) })
	}
	waiting(t, d.Ingester, 2, 2)
	for _, free := range release {
		free()
	}
	group.Wait()
	before := d.store.Commits
	group.Go(func() { post(20) })
	waiting(t, d.Ingester, 1, 1)
	group.Go(func() { post(21) })
	group.Wait()
	if n := d.store.Commits - before; n != 1 {
		t.Errorf("two requests of senders that come together made %d commits", n)
	}
}
