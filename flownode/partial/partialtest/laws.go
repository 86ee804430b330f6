// Package partialtest checks the laws that every kind of partial keeps. It is
// imported from tests only.
package partialtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"laminar/flownode/partial"
)

// Kind says how a kind of partial is checked.
type Kind[P any] struct {
	// Commutes says that the order of merging does not matter (L4).
	Commutes bool

	// Values is everything the partial says about the window
	// after < t <= upTo; NaN stands for no answer.
	Values func(p *P, after, upTo int64) []float64

	// Naive computes the same from the samples themselves, in time order, and
	// how far off each value may be. Samples whose values no bound can be
	// given for (sums that overflow) have an infinite one.
	Naive func(samples []Sample, after, upTo int64) (values, bounds []float64)

	// Samples makes a series of up to n samples later than after; nil is Random.
	Samples func(rnd *rand.Rand, n int, after int64) []Sample

	// Seeds is how many series are made; 0 is 4,000.
	Seeds uint64
}

// The window is long enough for what Random makes of maxSamples.
const (
	maxSamples = 40
	after      = int64(1_000_000)
	upTo       = after + 900_000
)

// Laws checks L1 to L4 of a kind on many random series. A failure prints the
// seed of its series.
func Laws[P any, PP partial.Cell[P]](t *testing.T, kind Kind[P]) {
	t.Helper()
	var zero P
	if !PP(&zero).Empty() {
		t.Fatal("the zero value is not empty")
	}
	seeds := kind.Seeds
	if seeds == 0 {
		seeds = 4_000
	}
	for seed := range seeds {
		if err := check[P, PP](seed, kind); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func check[P any, PP partial.Cell[P]](seed uint64, kind Kind[P]) error {
	rnd := rand.New(rand.NewPCG(seed, 7))
	series := kind.Samples
	if series == nil {
		series = Random
	}
	samples := series(rnd, maxSamples, after)
	want, bounds := kind.Naive(samples, after, upTo)
	agree := func(law string, p *P) error {
		if PP(p).Empty() != (len(samples) == 0) {
			return fmt.Errorf("%s: Empty() is %v for %d samples", law, PP(p).Empty(), len(samples))
		}
		if len(samples) == 0 {
			return nil
		}
		for i, got := range kind.Values(p, after, upTo) {
			if !Within(got, want[i], bounds[i]) {
				return fmt.Errorf("%s: value %d is %v, want %v within %v, of %v", law, i, got, want[i], bounds[i], samples)
			}
		}
		return nil
	}

	whole := fold[P, PP](samples)
	if err := agree("fold", whole); err != nil {
		return err
	}

	before := fmt.Sprintf("%+v", *whole)
	var zero P
	PP(whole).Merge(&zero)
	if now := fmt.Sprintf("%+v", *whole); now != before {
		return fmt.Errorf("identity on the right: %s became %s", before, now)
	}
	PP(&zero).Merge(whole)
	if now := fmt.Sprintf("%+v", zero); now != before {
		return fmt.Errorf("identity on the left: %s became %s", before, now)
	}

	stretches := cut(rnd, samples)
	parts := func() []*P {
		out := make([]*P, len(stretches))
		for i, s := range stretches {
			out[i] = fold[P, PP](s)
		}
		return out
	}
	for range 3 {
		if err := agree("split and group", tree[P, PP](rnd, parts())); err != nil {
			return fmt.Errorf("%w cut into %d", err, len(stretches))
		}
	}
	if kind.Commutes {
		shuffled := parts()
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if err := agree("commutativity", tree[P, PP](rnd, shuffled)); err != nil {
			return err
		}
	}
	return nil
}

func fold[P any, PP partial.Cell[P]](samples []Sample) *P {
	p := new(P)
	for _, s := range samples {
		PP(p).Add(s.T, s.V)
	}
	return p
}

// tree merges neighbours in random order until one is left.
func tree[P any, PP partial.Cell[P]](rnd *rand.Rand, parts []*P) *P {
	for len(parts) > 1 {
		i := rnd.IntN(len(parts) - 1)
		PP(parts[i]).Merge(parts[i+1])
		parts = append(parts[:i+1], parts[i+2:]...)
	}
	return parts[0]
}

// Within reports whether got is want, or no further from it than bound. NaN is
// NaN, and an infinite bound allows everything.
func Within(got, want, bound float64) bool {
	switch {
	case math.IsInf(bound, 1), math.IsNaN(got) && math.IsNaN(want), got == want:
		return true
	default:
		return math.Abs(got-want) <= bound
	}
}

// Close is Within for a bound that may be relative to want: what is not finite has no
// neighbours, so an infinity is only itself.
func Close(got, want, bound float64) bool {
	return got == want || math.IsNaN(got) && math.IsNaN(want) || !math.IsInf(want, 0) && math.Abs(got-want) <= bound
}
