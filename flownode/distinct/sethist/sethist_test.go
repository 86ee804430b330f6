package sethist_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/distinct"
	"laminar/flownode/distinct/sethist"
)

func draw(rng *rand.Rand) *distinct.Set {
	var s distinct.Set
	for range []int{0, 1, 3, 50, 1000, 1100, 9000}[rng.IntN(7)] {
		s.Add(float64(rng.IntN(20_000)))
	}
	return &s
}

// TestSumIsUnion: what Prometheus adds up, in any order, is the histogram of the union.
func TestSumIsUnion(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 81))
		var (
			sum, lost *histogram.FloatHistogram
			union     distinct.Set
			err       error
		)
		kahan := rng.IntN(2) == 0
		for range 1 + rng.IntN(5) {
			s := draw(rng)
			union.Union(s)
			h := sethist.Of(s)
			if err := h.Validate(); err != nil {
				t.Fatalf("seed %d: no valid histogram: %v", seed, err)
			}
			switch {
			case sum == nil:
				sum = h
			case kahan:
				lost, _, _, err = sum.KahanAdd(h, lost)
			default:
				_, _, _, err = sum.Add(h)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got, ok := sethist.Set(sum.Compact(0))
		if !ok || !bytes.Equal(got.AppendBinary(nil), union.AppendBinary(nil)) {
			t.Fatalf("seed %d: the sum is a set (%v) of %v values, the union has %v", seed, ok, got.Count(), union.Count())
		}
		if c := sethist.Canonical(sum); !c.Equals(sethist.Of(&union)) {
			t.Fatalf("seed %d: the sum is made to %v, want the histogram of the union", seed, c)
		}
	}
}

// TestEdges: the first and the last key there can be are far apart.
func TestEdges(t *testing.T) {
	keys := []distinct.Key{1, math.MaxUint32, 2, 51 << 1, 16383<<7 | 51<<1}
	s := distinct.OfKeys(keys, false)
	got, ok := sethist.Set(sethist.Of(&s))
	slices.Sort(keys)
	if all, _ := got.Keys(); !ok || !slices.Equal(all, keys) {
		t.Errorf("keys are %v, want %v", all, keys)
	}
}

// TestOthersAreNoSets: other histograms are told apart, and what was damaged is read
// without a panic.
func TestOthersAreNoSets(t *testing.T) {
	for _, h := range []*histogram.FloatHistogram{
		{Schema: 8, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []float64{1}},
		{Schema: 3, ZeroThreshold: sethist.ZeroThreshold},
		{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{1}},
	} {
		if s, ok := sethist.Set(h); ok {
			t.Errorf("%v is a set of %v values", h, s.Count())
		}
	}
	damaged := &histogram.FloatHistogram{
		Schema: sethist.Schema, ZeroThreshold: sethist.ZeroThreshold, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: -5, Length: 9}}, PositiveBuckets: []float64{1, 0, -1, math.NaN(), 1, 1},
		NegativeSpans: []histogram.Span{{Offset: math.MaxInt32, Length: 1}}, NegativeBuckets: []float64{1},
	}
	if s, ok := sethist.Set(damaged); !ok || math.IsNaN(s.Count()) {
		t.Errorf("the damaged set counts %v", s.Count())
	}
}
