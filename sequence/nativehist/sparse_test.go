package nativehist_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
)

// TestNoBounds: a histogram of a table, where an array of no bounds is not null, is one that
// Prometheus takes.
func TestNoBounds(t *testing.T) {
	s := nativehist.Sparse{Schema: 8, Count: 1, PositiveBuckets: []int32{3}, PositiveCounts: []float64{1}, CustomValues: []float64{}, Gauge: true}
	h := s.Float()
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := nativehist.AppendFloat(nil, h); err != nil {
		t.Fatal(err)
	}
}

// TestSparse: a histogram keeps its buckets on the way to a table and back, in the
// form that Prometheus calls compact, and the layout of empty buckets does not count.
func TestSparse(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := nativehisttest.Random(rng)
		s := nativehist.NewSparse(h)
		back := s.Float()
		if err := back.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !back.Equals(h.Copy().Compact(0)) || back.CounterResetHint != h.CounterResetHint {
			t.Fatalf("seed %d: %v came back as %v", seed, h, back)
		}
		if again := nativehist.NewSparse(back); !again.Equal(s) || !s.Equal(again) {
			t.Fatalf("seed %d: %v is not %v", seed, again, s)
		}
		other := back.Copy()
		switch rng.IntN(4) {
		case 0:
			other.Sum++
		case 1:
			other.Count++
		case 2:
			other.Schema--
		case 3:
			if len(other.PositiveBuckets) == 0 {
				continue
			}
			other.PositiveBuckets[rng.IntN(len(other.PositiveBuckets))] += 0.25
		}
		if nativehist.NewSparse(other).Equal(s) {
			t.Fatalf("seed %d: %v equals %v", seed, other, h)
		}
	}
	nan := &histogram.FloatHistogram{Sum: math.NaN(), ZeroCount: math.Copysign(0, -1)}
	if !nativehist.NewSparse(nan).Equal(nativehist.NewSparse(&histogram.FloatHistogram{Sum: math.NaN()})) {
		t.Error("NaN is not NaN, or zero not minus zero")
	}
	if (*nativehist.Sparse)(nil).Equal(nativehist.NewSparse(nan)) || !(*nativehist.Sparse)(nil).Equal(nil) {
		t.Error("no histogram equals one, or not itself")
	}
}
