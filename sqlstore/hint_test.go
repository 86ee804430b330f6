package sqlstore_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// run runs fn until the test ends, and waits for it.
func run(t *testing.T, fn func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = fn(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// TestHints sends from one process and listens in another, also after the
// server has cut both connections.
func TestHints(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	heard := make(chan sequence.Vector, 1000)
	changed := make(chan []progress.FlowID, 1000)
	notifier, listener := db.Store.NewNotifier(), db.Store.NewListener()
	run(t, notifier.Run)
	run(t, func(ctx context.Context) error {
		return listener.Run(ctx, func(r sequence.Region, seq sequence.Seq) { heard <- sequence.Vector{r: seq} }, func() {},
			func(flows []progress.FlowID) { changed <- flows })
	})
	// Listening begins at some moment; until then hints are lost, as they may be.
	hear := func(want sequence.Vector, send func()) {
		t.Helper()
		got := sequence.Vector{}
		deadline := time.After(2 * time.Minute)
		for !got.Covers(want) {
			send()
			select {
			case v := <-heard:
				got = got.Max(v)
			case <-time.After(50 * time.Millisecond):
			case <-deadline:
				t.Fatalf("heard %s, want %s", got, want)
			}
		}
	}
	hear(sequence.Vector{1: 7, 2: 3}, func() {
		notifier.Send(1, 7)
		notifier.Send(2, 3)
		notifier.Send(1, 5) // an older one does not replace a newer one
	})
	db.Exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	hear(sequence.Vector{1: 8}, func() { notifier.Send(1, 8) })

	// More flows than one message holds.
	want := map[progress.FlowID]bool{}
	send := func() {
		for i := range 2000 {
			want[progress.FlowID(1<<31-1-i)] = true
		}
		notifier.Changed(slices.Collect(maps.Keys(want)))
	}
	send()
	deadline := time.After(2 * time.Minute)
	for len(want) > 0 {
		select {
		case flows := <-changed:
			for _, id := range flows {
				delete(want, id)
			}
		case <-time.After(10 * time.Second): // a message was lost with a connection, as it may be
			send()
		case <-deadline:
			t.Fatalf("nothing was heard of %d flows", len(want))
		}
	}
}

// TestLookHints: whoever changes the catalogue or asks for a refill tells the
// listeners.
func TestLookHints(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	looked := make(chan struct{}, 1000)
	listener := db.Store.NewListener()
	run(t, func(ctx context.Context) error {
		return listener.Run(ctx, func(sequence.Region, sequence.Seq) {}, func() { looked <- struct{}{} }, func([]progress.FlowID) {})
	})
	// Listening begins at some moment; until then nothing is heard.
	hear := func(what string, do func()) {
		t.Helper()
		deadline := time.After(2 * time.Minute)
		for {
			do()
			select {
			case <-looked:
				return
			case <-time.After(50 * time.Millisecond):
			case <-deadline:
				t.Fatalf("nothing was heard of %s", what)
			}
		}
	}
	hear("an apply", func() { db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)")) })
	for {
		select {
		case <-looked:
			continue
		case <-time.After(200 * time.Millisecond): // longer than a message of the applies takes
		}
		break
	}
	hear("a refill", func() {
		if _, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, "f", 0, 10*sqltest.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

// TestHintsAreGathered: however many are sent at once, few messages go out.
func TestHintsAreGathered(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	notifier := db.Store.NewNotifier()
	conn, err := db.Store.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `listen "laminar_hint_laminar"`); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Exec(context.Background(), "unlisten *") }()
	for i := range 1000 {
		notifier.Send(1, sequence.Seq(i))
		notifier.Send(2, sequence.Seq(i))
	}
	run(t, notifier.Run)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	msg, err := conn.Conn().WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if msg.Payload != "{1:999 2:999}" {
		t.Errorf("first message %q, want all in one", msg.Payload)
	}
}
