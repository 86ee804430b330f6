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
	eventually(t, "that no request waits for long", func() bool { return comeTogether(t) })
}

// comeTogether sends requests one by one and two by two. It reports whether it was fast
// enough to say anything: the memory of two goes by the clock, so what a busy machine
// does late is done again.
func comeTogether(t *testing.T) (told bool) {
	t.Helper()
	const linger = 10 * time.Second
	d := openReceiver(t, Config{Regions: 2, Linger: linger}, nil)
	begin := func() *Intake {
		in, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	land := func(in *Intake, i int64) {
		if _, err := d.land(in, ts("__name__ m", at(i, 1))); err != nil {
			t.Errorf("request %d is answered %v", i, err)
		}
	}
	began := time.Now()
	for i := range int64(5) {
		land(begin(), i)
	}
	if time.Since(began) >= linger {
		return false
	}
	// Two at once, so that two are expected from now on. Both have begun before either
	// comes to a buffer, or one could be flushed, and the other be left waiting for it.
	began = time.Now()
	var group sync.WaitGroup
	one, two := begin(), begin()
	group.Go(func() { land(one, 10) })
	group.Go(func() { land(two, 11) })
	group.Wait()
	commits := func() int {
		d.store.Mu.Lock()
		defer d.store.Mu.Unlock()
		return d.store.Commits
	}
	before := commits()
	one = begin()
	group.Go(func() { land(one, 20) })
	eventually(t, "that a request waits, or is flushed alone", func() bool { return d.wait(1, 1) || commits() > before })
	two = begin()
	group.Go(func() { land(two, 21) })
	group.Wait()
	if time.Since(began) > trafficMemory/2 {
		return false
	}
	if n := commits() - before; n != 1 {
		t.Errorf("two requests of senders that come together made %d commits", n)
	}
	return true
}
