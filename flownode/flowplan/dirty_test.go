package flowplan

import (
	"math/rand/v2"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// TestDirtySince: in whatever order a window is touched and its entries are loaded, it is
// due to the least of the vectors, in each region.
func TestDirtySince(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 500 {
		l, least := NewDirtyList(), sequence.Vector(nil)
		for n := range 1 + rng.IntN(6) {
			since := sequence.Vector{}
			for region := sequence.Region(1); region <= 3; region++ {
				if seq := rng.IntN(5); seq > 0 {
					since[region] = sequence.Seq(seq)
				}
			}
			group := []string{progress.AllGroups, "a", "b"}[rng.IntN(3)]
			if rng.IntN(2) == 0 {
				l.Touch(60_000, group, progress.Upstream, since, int64(n))
			} else {
				l.Restore(60_000, group, progress.Upstream, since, int64(n), int64(n))
			}
			if n == 0 {
				least = since.Clone()
			}
			for region := range least {
				least[region] = min(least.At(region), since.At(region))
			}
		}
		if got := l.All()[0].Since; !got.Equal(least) {
			t.Fatalf("the window is due to %s, want %s", got, least)
		}
	}
}
