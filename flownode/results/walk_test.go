package results_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/results"
	"laminar/sequence"
)

// TestWalk compares a walk over random windows with the rule as Prometheus states it:
// at each evaluation there is a marker for every series that had a sample at the one
// before and has none now.
func TestWalk(t *testing.T) {
	const every, marker = 60, -1
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		windows := map[int64]map[string]int{}
		for end := int64(every); end <= 20*every; end += every {
			if rng.IntN(3) == 0 {
				continue // a window without rows
			}
			windows[end] = map[string]int{}
			for _, key := range []string{"a", "b", "c"} {
				if rng.IntN(2) == 0 {
					windows[end][key] = rng.IntN(100)
				}
			}
		}
		until := every * rng.Int64N(25)
		want := map[string]int{}
		for end := int64(every); end <= 25*every; end += every {
			for key, v := range windows[end] {
				want[fmt.Sprint(key, end)] = v
			}
			for key := range windows[end-every] {
				if _, still := windows[end][key]; !still && end <= until {
					want[fmt.Sprint(key, end)] = marker
				}
			}
		}
		got, last := map[string]int{}, map[string]int64{}
		w := results.Walk[string, int]{Every: every, Until: until, Stale: marker, Sample: func(key string, at sequence.Time, v int) {
			if at <= last[key] {
				t.Fatalf("seed %d: a sample of %s at %d after one at %d", seed, key, at, last[key])
			}
			last[key], got[fmt.Sprint(key, at)] = at, v
		}}
		for _, end := range slices.Sorted(maps.Keys(windows)) {
			w.Window(end)
			for _, key := range slices.Sorted(maps.Keys(windows[end])) {
				w.Row(key, windows[end][key])
			}
		}
		w.Done()
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d, until %d: got %v, want %v", seed, until, got, want)
		}
	}
}
