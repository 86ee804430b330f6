package allowance

import (
	"math/rand/v2"
	"testing"

	"laminar/flownode/progress"
)

// TestTogether: whatever rounds ask for and find, what is kept comes back to what there may
// be within one round of each flow, and nothing is dropped as long as it is within.
func TestTogether(t *testing.T) {
	dropped, refused := 0, 0
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const most = 10_000
		a := New(most)
		kept := map[progress.FlowID]int64{}
		total := func() (n int64) {
			for _, bytes := range kept {
				n += bytes
			}
			return n
		}
		for range 300 {
			flow := progress.FlowID(rnd.IntN(6))
			round := flow % 2 // two fence groups
			if kept[flow] == 0 {
				want := rnd.Int64N(6000)
				before := total()
				fits, again := a.Fits(round, flow, want), a.Fits(round, flow, want)
				if fits != again || fits != (before+want <= most/8*7) {
					t.Fatalf("seed %d: %d beside %d: %t", seed, want, before, fits)
				}
				if fits {
					kept[flow] = want
				} else {
					refused++
				}
			} else {
				kept[flow] += rnd.Int64N(1500) - 400 // it grows
			}
			kept[flow] = max(0, kept[flow])
			if a.Excess(flow, kept[flow]) {
				if total() <= most {
					t.Fatalf("seed %d: dropped though %d are kept", seed, total())
				}
				kept[flow] = 0
				dropped++
			}
			a.Kept(flow, kept[flow])
			a.Over(round)
		}
		for range 6 { // each flow has a round in which nothing grows
			for flow := range progress.FlowID(6) {
				if a.Excess(flow, kept[flow]) {
					kept[flow] = 0
				}
				a.Kept(flow, kept[flow])
			}
		}
		if total() > most {
			t.Fatalf("seed %d: %d are kept", seed, total())
		}
	}
	if dropped < 100 || refused < 100 {
		t.Errorf("%d were dropped and %d refused, which says little", dropped, refused)
	}
}

// TestRoundsAtOnce: rounds that go on at the same time see what the others have asked for, and
// not when they are over.
func TestRoundsAtOnce(t *testing.T) {
	a := New(8000)
	if !a.Fits("a", 1, 4000) || a.Fits("b", 1, 4000) || !a.Fits("b", 1, 3000) || a.Fits("a", 2, 1) {
		t.Error("rounds do not see each other")
	}
	a.Over("a")
	if !a.Fits("b", 2, 4000) {
		t.Error("what was asked for in a round that is over counts")
	}
	var none *Allowance
	none.Kept(1, 1)
	none.Over(1)
	if !none.Fits(1, 1, 1<<60) || none.Excess(1, 1<<60) || none.Most() != 0 || New(0) != nil {
		t.Error("no bound is one")
	}
}
