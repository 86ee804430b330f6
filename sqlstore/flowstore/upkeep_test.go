package flowstore_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// TestTakeDue: of all processes that ask for a due time exactly one gets it, and
// none gets one that is older than what has been taken.
func TestTakeDue(t *testing.T) {
	db := sqltest.New(t)
	stores := []*sqlstore.Store{db.Store(t), db.Store(t)}
	now, err := stores[0].Jobs.Now(t.Context())
	if err != nil || time.Since(now).Abs() > time.Minute {
		t.Fatalf("the database's clock is %v, %v", now, err)
	}
	take := func(task string, due time.Time) bool {
		t.Helper()
		taken, err := stores[1].Jobs.TakeDue(t.Context(), task, due)
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	due := now.Truncate(time.Second)
	for range 5 {
		var got atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				taken, err := stores[i%2].Jobs.TakeDue(t.Context(), "seal", due)
				if err != nil {
					t.Error(err)
				}
				if taken {
					got.Add(1)
				}
			})
		}
		all.Wait()
		if got.Load() != 1 {
			t.Errorf("due at %s: %d of 8 have it, want 1", due, got.Load())
		}
		due = due.Add(time.Second)
	}
	if take("seal", due.Add(-2*time.Second)) {
		t.Error("a due time that has passed is taken once more")
	}
	if !take("verify", due.Add(-2*time.Second)) {
		t.Error("another task's due time cannot be taken")
	}
	// A clock that was ahead took what is far in the future.
	if !take("seal", due.Add(24*time.Hour)) || !take("seal", due) || take("seal", due) {
		t.Error("a due time far ahead of the clock holds others up")
	}
}

// TestDueRefill: a due time makes one job, and none when the refill is refused,
// however many jobs have been made since.
func TestDueRefill(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	ctx := t.Context()
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	due, err := db.Store.Jobs.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Store.Jobs.CreateDueRefill(ctx, "plan", due, "g", 0, sqltest.Minute); err == nil {
		t.Error("a refill of no flow is not refused")
	}
	ids, taken, err := db.Store.Jobs.CreateDueRefill(ctx, "plan", due, "f", 0, sqltest.Minute)
	if err != nil || !taken || len(ids) != 1 {
		t.Fatalf("after a refusal: jobs %d, %v, %v", ids, taken, err)
	}
	for range 150 { // more than anything would look through
		if _, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 0, sqltest.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if ids, taken, err := db.Store.Jobs.CreateDueRefill(ctx, "plan", due, "f", 0, sqltest.Minute); err != nil || taken {
		t.Errorf("a second one: jobs %d, %v, %v", ids, taken, err)
	}
	if n := sqltest.ScanOne[int](db, "select count(*) from job"); n != 151 {
		t.Errorf("there are %d jobs, want 151", n)
	}
	if _, taken, err := db.Store.Jobs.CreateDueRefill(ctx, "plan", due.Add(time.Second), "f", 0, sqltest.Minute); err != nil || !taken {
		t.Errorf("at the next due time: %v, %v", taken, err)
	}
}
