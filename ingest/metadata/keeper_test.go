package metadata

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sequence/series"
)

// memStore is a Store in memory.
type memStore struct {
	mu     sync.Mutex
	saved  map[string]series.Metadata
	writes map[string]int
	fail   error // once
}

func newMemStore() *memStore {
	return &memStore{saved: map[string]series.Metadata{}, writes: map[string]int{}}
}

func (m *memStore) SaveMetadata(_ context.Context, list []series.Metadata) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail; err != nil {
		m.fail = nil
		return err
	}
	for _, one := range list {
		m.saved[one.Metric] = one
		m.writes[one.Metric]++
	}
	return nil
}

func (m *memStore) content() map[string]series.Metadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.saved)
}

// savePending saves what is pending now, as run does in time.
func (k *Keeper) savePending(t *testing.T) {
	t.Helper()
	for list := k.drain(); len(list) > 0; list = k.drain() {
		if err := k.save(t.Context(), list); err != nil {
			k.giveBack(list)
			return
		}
	}
}

// TestLastWriteWins: what does not change is offered to the store once, what
// changes is taken after the hold, whether it comes with a series, of whichever
// region, or without, and a store that fails gets it again.
func TestLastWriteWins(t *testing.T) {
	store := newMemStore()
	k := New(store, maphash.MakeSeed(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	clock := k.Now()
	var regions [2]Seen // of one metric: its series are in two regions
	// say says it with a series of the region, or without one.
	say := func(help string, region int) {
		hash := Hash(2, maphash.String(k.seed, help), maphash.String(k.seed, ""))
		if region == 0 {
			k.Take("m", hash, clock, 2, []byte(help), nil)
			return
		}
		k.Offer(&regions[region-1], "m", hash, clock, 2, []byte(help), nil)
	}
	check := func(step, help string, writes int) {
		t.Helper()
		k.savePending(t)
		if got := store.content()["m"].Help; got != help || store.writes["m"] != writes {
			t.Fatalf("%s: %q after %d writes, want %q after %d", step, got, store.writes["m"], help, writes)
		}
	}
	say("one", 1)
	check("first", "one", 1)
	for range 3 {
		clock += 2 * hold.Milliseconds()
		say("one", 1)
		say("one", 2)
		say("one", 0)
	}
	check("the same again", "one", 1)
	say("two", 2)
	check("changed by another region", "two", 2)
	clock += hold.Milliseconds() / 2
	say("one", 1)
	say("three", 0)
	say("one", 2)
	check("changed too soon", "two", 2)
	clock += hold.Milliseconds()
	say("one", 2)
	check("said again after the hold", "one", 3)
	clock += hold.Milliseconds()
	say("three", 0)
	check("changed without a series", "three", 4)
	clock += hold.Milliseconds()
	store.fail = sequence.ErrUnavailable
	say("four", 1)
	check("the store fails", "three", 4)
	check("and is back", "four", 5)
}

// TestMemoryIsBounded: however many metrics are described while the store is away, and
// however long the texts are, what is held has a bound; when the store is back, all is taken
// that comes again. What is known is saved once more after a day.
func TestMemoryIsBounded(t *testing.T) {
	store := newMemStore()
	k := New(store, maphash.MakeSeed(), slog.New(slog.DiscardHandler))
	name := func(i int) string { return fmt.Sprintf("m%0*d", 1+i%1900, i) }
	text, clock := []byte(strings.Repeat("x", maxText)), k.Now()
	say := func(i int) bool { return k.Take(name(i), 7, clock, 1, text, text) }
	held := func() (pending, taken int) {
		for n, m := range k.pending {
			pending += len(n) + len(m.Help) + len(m.Unit)
		}
		for n := range k.taken {
			taken += len(n)
		}
		return pending, taken
	}
	const metrics = 20_000
	refused := 0
	for i := range metrics {
		if !say(i) {
			refused++
		}
		if i%1000 == 0 {
			store.fail = sequence.ErrUnavailable
			k.savePending(t)
		}
	}
	if pending, taken := held(); refused == 0 || pending > maxBytes+maxName+2*maxText || taken > maxBytes+maxName {
		t.Errorf("%d and %d bytes are held, %d metrics refused", pending, taken, refused)
	}
	for i := range metrics {
		if !say(i) {
			k.savePending(t)
			say(i)
		}
	}
	k.savePending(t)
	if got := len(store.content()); got != metrics || k.pendingBytes != 0 {
		t.Errorf("%d metrics are described, want %d; %d bytes are said to be pending", got, metrics, k.pendingBytes)
	}
	var seen Seen
	for _, c := range []struct {
		after  time.Duration
		writes int
	}{{0, 1}, {time.Hour, 1}, {again - 1, 1}, {again, 2}, {again + time.Hour, 2}} {
		k.Offer(&seen, "told", 7, clock+c.after.Milliseconds(), 1, text, nil)
		k.savePending(t)
		if store.writes["told"] != c.writes {
			t.Errorf("after %s it was saved %d times, want %d", c.after, store.writes["told"], c.writes)
		}
	}
}
