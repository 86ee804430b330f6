package senders_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// TestElect: the first replica is elected, stays so while it is heard, and is
// followed by the next one after the timeout, by the database's clock.
func TestElect(t *testing.T) {
	store := sqltest.New(t).Store(t)
	const timeout = time.Minute
	// silent moves the last time the elected replica was heard.
	silent := func(d time.Duration) {
		t.Helper()
		if _, err := store.Pool().Exec(t.Context(), "update ha_election set seen_at = clock_timestamp() - $1::bigint * interval '1 millisecond'",
			d.Milliseconds()); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now() // the step before began
	check := func(step, replica, want string, least, most time.Duration) {
		t.Helper()
		began := time.Now()
		got, left, err := store.Senders.Elect(t.Context(), "it's a cluster", replica, timeout)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if least < timeout { // the time since the step before has passed for the one that is elected
			least -= time.Since(before)
		}
		before = began
		if got != want || left < least || left > most {
			t.Errorf("%s: %s is elected for %s, want %s for %s to %s", step, got, left, want, least, most)
		}
	}
	check("first", "a", "a", timeout, timeout)
	check("another", "b", "a", timeout-10*time.Second, timeout)
	silent(40 * time.Second)
	check("another, after a while", "b", "a", 5*time.Second, 20*time.Second)
	check("heard again", "a", "a", timeout, timeout)
	check("so the other waits anew", "b", "a", timeout-10*time.Second, timeout)
	silent(timeout)
	check("failover", "b", "b", timeout, timeout)
	check("the old one is back", "a", "b", timeout-10*time.Second, timeout)
	silent(timeout + time.Hour)
	check("silent for long, but still the one", "b", "b", timeout, timeout)
	silent(-30 * time.Second) // the database's clock was set back a little
	check("ahead of the clock", "a", "b", timeout, timeout)
	silent(-time.Hour)
	check("far ahead of the clock", "a", "a", timeout, timeout)
	if got, _, err := store.Senders.Elect(t.Context(), "another", "b", timeout); err != nil || got != "b" {
		t.Errorf("another cluster: %s, %v", got, err)
	}
}

// TestElectAtOnce: of many replicas that come at once, from several processes,
// one is elected, and all hear the same; first where there is none, then where
// the old one is silent.
func TestElectAtOnce(t *testing.T) {
	db := sqltest.New(t)
	stores := []*sqlstore.Store{db.Store(t), db.Store(t)}
	pool := db.Pool(t)
	for round := range 20 {
		elected := make([]string, 12)
		var group sync.WaitGroup
		for i := range elected {
			group.Go(func() {
				var err error
				if elected[i], _, err = stores[i%2].Senders.Elect(t.Context(), "c", fmt.Sprintf("replica %d of round %d", i, round), time.Minute); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, one := range elected {
			if one != elected[0] {
				t.Fatalf("round %d: different replicas are elected: %q", round, elected)
			}
		}
		if _, err := pool.Exec(t.Context(), "update ha_election set seen_at = seen_at - interval '1 minute'"); err != nil {
			t.Fatal(err)
		}
	}
}
