package flowdef

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// reaching is a flow of which only what it reads and how often is set: each leaf
// has a range and an offset, ms.
func reaching(every int64, leaves ...[2]int64) Flow {
	f := Flow{Every: every}
	for i, l := range leaves {
		f.Expr.Leaves = append(f.Expr.Leaves, Leaf{Range: l[0], Offset: l[1]})
		if reach := l[0] + l[1]; i == 0 || reach > f.Expr.MaxReach {
			f.Expr.MaxReach = reach
		}
		if i == 0 || l[1] < f.Expr.MinOffset {
			f.Expr.MinOffset = l[1]
		}
	}
	return f
}

// randomReach is a flow of one or two leaves.
func randomReach(rnd *rand.Rand) Flow {
	leaf := func() [2]int64 { return [2]int64{1 + rnd.Int64N(40), rnd.Int64N(31) - 10} }
	leaves := [][2]int64{leaf()}
	if rnd.IntN(2) == 0 {
		leaves = append(leaves, leaf())
	}
	return reaching(1+rnd.Int64N(20), leaves...)
}

func spell(f Flow) string {
	s := fmt.Sprintf("every %d", f.Every)
	for _, l := range f.Expr.Leaves {
		s += fmt.Sprintf(", range %d offset %d", l.Range, l.Offset)
	}
	return s
}

// TestFirstRebuildable holds it against asking every window whether each sample
// time that a leaf of it reads is still there.
func TestFirstRebuildable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		f, earliest := randomReach(rnd), 1+rnd.Int64N(100)
		whole := func(end int64) bool {
			for i := range f.Expr.Leaves {
				if f.Expr.Leaves[i].Bounds(end).After+1 < earliest {
					return false
				}
			}
			return true
		}
		want := -20 * f.Every
		for !whole(want) {
			want += f.Every
		}
		if got := f.FirstRebuildable(earliest); got != want {
			t.Fatalf("%s, samples from %d: %d, want %d", spell(f), earliest, got, want)
		}
		if !f.Expr.Rebuildable(want, earliest) || f.Expr.Rebuildable(want-f.Every, earliest) {
			t.Fatalf("%s, samples from %d: Rebuildable does not begin at %d", spell(f), earliest, want)
		}
	}
	if f := reaching(60, [2]int64{300, 0}); f.FirstRebuildable(0) != 0 {
		t.Error("where nothing was given up, some windows cannot be rebuilt")
	}
}

// TestBackfillStart: the first window after the start is the first that holds the
// oldest sample or a later one, ends after what was asked for, and is whole.
func TestBackfillStart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		f := randomReach(rnd)
		firstT, now, earliest := 100+rnd.Int64N(200), 400+rnd.Int64N(50), int64(0)
		if rnd.IntN(2) == 0 {
			earliest = 1 + rnd.Int64N(300)
		}
		if f.Backfill.All = rnd.IntN(2) == 0; !f.Backfill.All {
			f.Backfill.Duration = 1 + rnd.Int64N(400)
		}
		emits := func(end int64) bool {
			if earliest > 0 && !f.Expr.Rebuildable(end, earliest) || !f.Backfill.All && end <= now-f.Backfill.Duration {
				return false
			}
			for i := range f.Expr.Leaves {
				if f.Expr.Leaves[i].Bounds(end).UpTo >= firstT {
					return true
				}
			}
			return false
		}
		start := f.BackfillStart(firstT, now, earliest)
		if start%f.Every != 0 || !emits(start+f.Every) || emits(start) {
			t.Fatalf("%s, backfill %+v, oldest sample %d, now %d, samples from %d: start %d", spell(f), f.Backfill, firstT, now, earliest, start)
		}
	}
}

// TestFirstWatermark: what closes is what the newest sample closes, but nothing
// before the backfill's start, nor before samples of a fixed time have come.
func TestFirstWatermark(t *testing.T) {
	f := reaching(60, [2]int64{300, 0})
	f.WatermarkDelay = 10
	pinned := reaching(60, [2]int64{300, 0})
	pinned.WatermarkDelay = 10
	pinned.Expr.Leaves[0].Pinned, pinned.Expr.Leaves[0].PinnedAt = true, 2_000
	for _, c := range []struct {
		name          string
		flow          Flow
		start, newest int64
		want          int64
	}{
		{"a delay behind the newest sample", f, 600, 1_000, 990},
		{"not before the start", f, 1_200, 1_000, 1_200},
		{"a window that reads ahead closes later", reaching(60, [2]int64{300, -60}), 600, 1_000, 940},
		{"samples of a fixed time are still due", pinned, 600, 2_009, 600},
		{"samples of a fixed time are there", pinned, 600, 2_010, 2_000},
	} {
		if got := c.flow.FirstWatermark(c.start, c.newest); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
