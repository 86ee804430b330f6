package native_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"laminar/flownode/native"
)

// TestSketchBesideDDSketch: another implementation of quantiles with a relative accuracy,
// given the same values in other parts, says the same at every rank. Both are within their
// own bounds of the value that stands there, and within the sum of the two of each other.
func TestSketchBesideDDSketch(t *testing.T) {
	coarser := 0
	for _, d := range distributions {
		if d.name == "NaN" || d.name == "infinities" || d.name == "all floats" || d.name == "extremes" {
			continue // a DDSketch takes neither NaN nor infinities, and no float close to them
		}
		for _, alpha := range []float64{0.05, 0.01, 0.003} {
			for seed := range uint64(12) {
				rng := rand.New(rand.NewPCG(seed, 17))
				values := make([]float64, 1+rng.IntN(1<<(3+seed)))
				for i := range values {
					values[i] = d.next(rng)
				}
				own, other := mergedSketch(t, rng, alpha, values), mergedDDSketch(t, rng, alpha, values)
				schema, err := native.SchemaOf(alpha)
				if err != nil {
					t.Fatal(err)
				}
				if own.Schema < schema {
					coarser++
				}
				var (
					sorted = slices.Sorted(slices.Values(values))
					n      = float64(len(values))
					bound  = native.AccuracyOf(own.Schema)
				)
				for range 100 {
					rank := rng.IntN(len(values))
					want := sorted[rank]
					got, _ := promql.HistogramQuantile((float64(rank)+0.5)/n, own, "x", posrange.PositionRange{})
					// A DDSketch rounds what is between two ranks towards zero.
					between := float64(rank) + 0.25
					if want < 0 {
						between = float64(rank) - 0.25
					}
					said, err := other.GetValueAtQuantile(min(max(between/max(n-1, 1), 0), 1))
					if err != nil {
						t.Fatal(err)
					}
					off := func(a, b, by float64) bool { return !(math.Abs(a-b) <= by*math.Abs(want)*(1+1e-9)) }
					switch {
					case off(got, said, bound+alpha):
						t.Fatalf("%s, accuracy %v, seed %d, rank %d of %v: %v, and %v in the DDSketch", d.name, alpha, seed, rank, n, got, said)
					case off(got, want, bound):
						t.Fatalf("%s, accuracy %v, seed %d, rank %d of %v: %v, want %v and not more than %v off", d.name, alpha, seed, rank, n, got, want, bound)
					case off(said, want, alpha):
						t.Fatalf("%s, accuracy %v, seed %d, rank %d of %v: the DDSketch has %v, want %v and not more than %v off", d.name, alpha, seed, rank, n, said, want, alpha)
					}
				}
			}
		}
	}
	if coarser < 5 {
		t.Errorf("only %d of the sketches had too many buckets", coarser)
	}
}

// mergedSketch is a sketch that is merged from random parts of the values, in random order.
func mergedSketch(t *testing.T, rng *rand.Rand, accuracy float64, values []float64) *histogram.FloatHistogram {
	t.Helper()
	var (
		use = sketchOf(t, accuracy)
		all native.Sketch
	)
	for _, part := range randomParts(rng, values) {
		s := fold(use, part)
		all.Merge(&s)
	}
	v, ok := use.Finish(&all, over)
	if !ok || v.Histogram.Count != float64(len(values)) {
		t.Fatalf("the sketch of %d values is %v (%v)", len(values), v.Histogram, ok)
	}
	return v.Histogram
}

// mergedDDSketch is a DDSketch that is merged so, from other parts.
func mergedDDSketch(t *testing.T, rng *rand.Rand, accuracy float64, values []float64) *ddsketch.DDSketch {
	t.Helper()
	empty := func() *ddsketch.DDSketch {
		s, err := ddsketch.LogUnboundedDenseDDSketch(accuracy)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all := empty()
	for _, part := range randomParts(rng, values) {
		s := empty()
		for _, v := range part {
			if err := s.Add(v); err != nil {
				t.Fatal(err)
			}
		}
		if err := all.MergeWith(s); err != nil {
			t.Fatal(err)
		}
	}
	if n := all.GetCount(); n != float64(len(values)) {
		t.Fatalf("the DDSketch of %d values counts %v", len(values), n)
	}
	return all
}

// randomParts is the values in random order, cut into some parts.
func randomParts(rng *rand.Rand, values []float64) (parts [][]float64) {
	rest := slices.Clone(values)
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for len(rest) > 0 {
		n := 1 + rng.IntN(len(rest))
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return parts
}
