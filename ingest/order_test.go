package ingest

import (
	"context"
	"slices"
	"testing"

	"laminar/ingest/ingesttest"
	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/series"
)

// TestKnownAlone: what finds series by what others wrote is there only while
// others write, finds every series all the same, and what a start has read is
// given back when it has been asked for.
func TestKnownAlone(t *testing.T) {
	var all []*registry.Series
	k := newKnown(func(yield func(*registry.Series) bool) { slices.Values(all)(yield) })
	wrote := func(ids ...sequence.SeriesID) {
		var m series.Missed
		for _, id := range ids {
			m.Lasts = append(m.Lasts, series.Last{Series: id, T: int64(id) * 10, Value: 1})
		}
		k.merge(m)
	}
	m := &registry.Metric{Name: "m"}
	wrote(1, 2, 3, 4, 5, 6, 7, 8) // a start: all of it is of others
	if k.byID != nil || len(k.others) != 8 {
		t.Fatalf("after a start: %d series, %d of others", len(k.byID), len(k.others))
	}
	var d draft
	for id := sequence.SeriesID(1); id <= 8; id++ {
		s := &registry.Series{Metric: m}
		k.found(s, 1, series.Stored{ID: id})
		if s.LastT != int64(id)*10 || s.Exact != registry.ExactFloat {
			t.Errorf("series %d is known up to %d", id, s.LastT)
		}
		all = append(all, s)
		k.apply(sequence.Flush{}, &d, []*registry.Series{s}, 0)
	}
	if k.byID != nil || len(k.others) != 0 || k.most > 1 {
		t.Errorf("when all is asked for: %d series, %d of others, room for %d", len(k.byID), len(k.others), k.most)
	}
	for range 2 {
		wrote(3)
		if len(k.byID) != 8 || len(k.others) != 0 {
			t.Errorf("when another writes: %d series, %d of others", len(k.byID), len(k.others))
		}
		all[2].LastT = 0
		for range aloneAfter - 1 {
			k.apply(sequence.Flush{}, &d, nil, 0)
		}
		if len(k.byID) != 8 {
			t.Errorf("dropped too early")
		}
		wrote(3)
		if all[2].LastT != 30 {
			t.Errorf("series 3 is known up to %d", all[2].LastT)
		}
		for range aloneAfter {
			k.apply(sequence.Flush{}, &d, nil, 0)
		}
		if k.byID != nil {
			t.Errorf("%d series are kept for others who write no more", len(k.byID))
		}
	}
}

// TestStartReadsFloors: after a start no samples are read as long as all that
// comes is newer than what its metric had, and once when something is not: then
// everything is known as if it had been read at once.
func TestStartReadsFloors(t *testing.T) {
	store := ingesttest.New(1)
	post := func(g *Ingester, in ...entry) {
		t.Helper()
		d := &receiver{Ingester: g, table: g.table(), store: store, t: t}
		if err := d.post(in...); err != nil {
			t.Fatalf("answered %v", err)
		}
	}
	writes := func(what string, reads, commits int, unordered bool, in ...entry) func(*Ingester) {
		return func(g *Ingester) {
			t.Helper()
			store.Reads, store.Commits = 0, 0
			post(g, in...)
			if store.Reads != reads || store.Commits != commits {
				t.Errorf("%s: %d reads and %d commits, want %d and %d", what, store.Reads, store.Commits, reads, commits)
			}
			log := store.Log(1)
			if last := log[len(log)-1].Segments; commits > 0 && last[len(last)-1].Ordered == unordered {
				t.Errorf("%s: unordered %t, want %t", what, !last[len(last)-1].Ordered, unordered)
			}
		}
	}
	start := func(steps ...func(*Ingester)) {
		g := newTestIngester(t, storeOf{store}, Config{Regions: 1})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		for _, step := range steps {
			step(g)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	a := func(t int64) entry { return ts("__name__ m i a", at(t, 1)) }
	b := func(t int64) entry { return ts("__name__ m i b", at(t, 1)) }
	start(writes("empty", 0, 1, false, a(1000)), writes("another series", 0, 1, false, b(500)))
	start(
		writes("newer than all", 0, 1, false, a(2000)),
		writes("behind another series", 1, 1, false, b(900)),
		writes("known by now", 0, 1, true, b(800)),
		writes("a new metric", 0, 1, false, ts("__name__ n", at(10, 1))),
	)
	start(writes("a repeat", 1, 0, false, b(900)), writes("of the other", 0, 0, false, a(2000)))
}
