package upkeep

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/flowfile"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// runBoth runs two processes' upkeep until enough says so.
func runBoth(t *testing.T, a, b *Upkeep, enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	for _, u := range []*Upkeep{a, b} {
		both.Go(func() {
			if err := u.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	deadline := time.Now().Add(5 * time.Minute)
	for !enough() && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond) // between two looks
	}
	cancel()
	both.Wait()
	if !enough() {
		t.Fatal("nothing more becomes due")
	}
}

// TestOneProcessDoesWhatIsDue: two processes on one database, which start at
// different times, have the same due times and do the work of each once (U1, U2).
func TestOneProcessDoesWhatIsDue(t *testing.T) {
	db := sqltest.New(t)
	var (
		mu   sync.Mutex
		done = map[time.Time]int{} // by due time
		seen = map[time.Time]int{} // processes that looked at the due time
	)
	process := func() *Upkeep {
		u := newUpkeep(db.Store(t).Jobs, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		work := u.alone("count", func(_ context.Context, due time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			done[due]++
			return nil
		})
		err := u.add("count", "@every 1s", func(ctx context.Context, due time.Time) (bool, error) {
			taken, err := work(ctx, due)
			mu.Lock()
			defer mu.Unlock()
			if err == nil { // or the end of the test came between
				seen[due]++
			}
			return taken, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := process()
	time.Sleep(300 * time.Millisecond) // another fraction of a second
	runBoth(t, first, process(), func() bool {
		mu.Lock()
		defer mu.Unlock()
		both := 0
		for _, n := range seen {
			if n == 2 {
				both++
			}
		}
		return both >= 3
	})
	for due, n := range seen {
		if done[due] > 1 || n == 2 && done[due] == 0 {
			t.Errorf("due at %s: %d processes looked, it was done %d times, want once", due, n, done[due])
		}
	}
}

// TestPlannedRefillIsAskedForOnce: two processes with one plan make one job at
// each due time (U3), however many newer jobs there are.
func TestPlannedRefillIsAskedForOnce(t *testing.T) {
	db := sqltest.New(t)
	stores := []*sqlstore.Store{db.Store(t), db.Store(t)}
	flows, problems := flowfile.Parse("test.yaml", []byte("flows:\n  - {name: f, promql: sum(m), every: 1s}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, err := stores[0].Catalogue.Apply(t.Context(), flows, flowstore.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Schedule: "@yearly",
		Refills: []Refill{
			{Flow: "f", Schedule: "@every 1s", From: "-5m"},
			{Flow: "f", Schedule: "@every 1s", From: "-10m", To: "-5m"}, // due at the same times
		},
	}
	both := make([]*Upkeep, 2)
	for i, store := range stores {
		var err error
		if both[i], err = New(c, store, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err != nil {
			t.Fatal(err)
		}
	}
	pool := db.Pool(t)
	count := func(sql string) (n int) {
		if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	runBoth(t, both[0], both[1], func() bool { return count("select count(*) from job") >= 6 })
	if n := count("select count(*) - count(distinct (from_t, to_t)) from job"); n != 0 {
		t.Errorf("%d jobs were asked for twice", n)
	}
	if n := count("select count(distinct to_t - from_t) from job"); n != 1 {
		t.Errorf("jobs have %d lengths, want one of 5m", n)
	}
	if n := count("select count(distinct task) from upkeep"); n != 2 {
		t.Errorf("%d tasks have taken due times, want 2", n)
	}
}
