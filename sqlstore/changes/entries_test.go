package changes

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// TestEntriesSayWhatChanged: the entries of random commits say of each window what was
// noted of it, no window twice and no window more, which of them the commit closes, and the
// same of several windows once.
func TestEntriesSayWhatChanged(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 13))
		var l Log
		want := map[window]map[string]bool{} // nil for all of the window
		closed := map[progress.FlowID]sequence.Span{}
		for flow := range progress.FlowID(1 + rng.IntN(3)) {
			if rng.IntN(2) == 0 {
				from := int64(rng.IntN(10))
				closed[flow] = sequence.Span{After: from, UpTo: from + int64(1+rng.IntN(5))}
				l.Close(flow, closed[flow])
			}
			for range rng.IntN(30) {
				at := window{flow, int64(1 + rng.IntN(12))}
				if keys, known := want[at]; known && keys == nil || rng.IntN(8) == 0 {
					l.Whole(flow, at.end)
					want[at] = nil
					continue
				}
				if want[at] == nil {
					want[at] = map[string]bool{}
				}
				for range 1 + rng.IntN(2) {
					key := fmt.Sprint("k", rng.IntN(3))
					l.Keys(flow, at.end, key)
					want[at][key] = true
				}
			}
		}
		said := map[window]bool{}
		different := map[string]bool{} // what is said, of which flow
		list := entriesOf(l.windows, l.closed)
		for i := range list {
			e := &list[i]
			span, closes := closed[e.flow]
			if got := e.closedAfter != nil; got != (closes && e.end == span.UpTo) || got && *e.closedAfter != span.After {
				t.Fatalf("seed %d: %+v closes %v, want %+v", seed, e, e.closedAfter, span)
			}
			what := fmt.Sprint(e.flow, e.whole, e.keys)
			nothing := !e.whole && len(e.keys) == 0
			if nothing && (e.closedAfter == nil || len(e.more) > 0) || different[what] {
				t.Fatalf("seed %d: %+v stands beside another entry that says the same, or says nothing: %+v", seed, e, list)
			}
			different[what] = true
			for _, end := range append([]int64{e.end}, e.more...) {
				at := window{e.flow, end}
				keys, changed := want[at]
				if said[at] || changed == nothing {
					t.Fatalf("seed %d: window %+v is said twice, or although it did not change: %+v", seed, at, list)
				}
				said[at] = true
				if nothing {
					continue
				}
				if e.whole != (keys == nil || span.Holds(end)) || !e.whole && !slices.Equal(e.keys, slices.Sorted(maps.Keys(keys))) {
					t.Fatalf("seed %d: of window %+v is said %+v, want %v", seed, at, e, keys)
				}
			}
		}
		for at := range want {
			if !said[at] {
				t.Fatalf("seed %d: window %+v is missing: %+v", seed, at, list)
			}
		}
		for flow, span := range closed {
			if !said[window{flow, span.UpTo}] {
				t.Fatalf("seed %d: that flow %d closes %+v is missing: %+v", seed, flow, span, list)
			}
		}
	}
}

// TestEntriesAreBounded: keys of too many bytes, or too many of them, are not named, and no
// entry says more windows than a thousand.
func TestEntriesAreBounded(t *testing.T) {
	long := fmt.Sprintf("%0*d", maxKeyBytes/10, 0)
	var l Log
	for i := range 20 {
		l.Keys(1, 1, fmt.Sprint(i, long))
	}
	for i := range maxKeys + 1 {
		l.Keys(1, 2, fmt.Sprint(i))
	}
	for i := range 2*maxWindows + 1 {
		l.Keys(2, int64(i+1), "k")
	}
	list := entriesOf(l.windows, l.closed)
	if len(list) != 4 || !list[0].whole || !slices.Equal(list[0].more, []int64{2}) {
		t.Fatalf("%d entries, the first %+v", len(list), list[0])
	}
	for _, e := range list[1:] {
		if len(e.more) >= maxWindows || !slices.Equal(e.keys, []string{"k"}) {
			t.Errorf("an entry says %d windows with the keys %v", 1+len(e.more), e.keys)
		}
	}
}
