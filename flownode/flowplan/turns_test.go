package flowplan

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTurns: however much flows need, none goes on beyond the end of the round, each may
// take an equal part of the round at least, and what one leaves is for those behind it.
func TestTurns(t *testing.T) {
	start := time.Unix(1000, 0)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n, all := 1+rng.IntN(6), time.Duration(1+rng.IntN(1000))*time.Millisecond
		turns, now := NewTurns(n, start.Add(all)), start
		for i := range n {
			left := start.Add(all).Sub(now)
			until := turns.Take(now)
			if part := until.Sub(now); part < all/time.Duration(n)-time.Microsecond || part > left {
				t.Fatalf("seed %d: flow %d of %d has %s of the %s that are left of %s", seed, i, n, part, left, all)
			}
			if i == n-1 && until != start.Add(all) {
				t.Fatalf("seed %d: the last flow goes on until %s of %s", seed, until.Sub(start), all)
			}
			now = now.Add(time.Duration(rng.Int64N(int64(until.Sub(now)) + 1)))
		}
	}
	late := NewTurns(0, start)
	if until := late.Take(start.Add(time.Second)); until != start {
		t.Errorf("behind the end of the round a flow goes on until %s", until)
	}
}
