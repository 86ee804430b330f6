package partial_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

// tolerance is the bound of a leaf's value, relative to the sum of the
// absolute values of its terms. It is far below what the design allows.
const tolerance = 1e-12

func TestSimpleLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Simple]{
		Commutes: true,
		Values: func(p *partial.Simple, _, _ int64) []float64 {
			return []float64{float64(p.Count), p.Total(), p.Avg(), p.Min, p.Max}
		},
		Naive: func(s []partialtest.Sample, _, _ int64) (values, bounds []float64) {
			n := float64(len(s))
			sum, size := exactSum(s)
			lo, hi := math.NaN(), math.NaN()
			for _, x := range s {
				if !math.IsNaN(x.V) {
					lo, hi = smaller(lo, x.V), -smaller(-hi, -x.V)
				}
			}
			return []float64{n, sum, sum / n, lo, hi}, []float64{0, size * tolerance, size / n * tolerance, 0, 0}
		},
	})
}

// TestSimpleBeyondDoubles: sums that no double holds, on the way or at the end, are those of
// exact arithmetic in whatever order, and infinite samples and NaN win over them.
func TestSimpleBeyondDoubles(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Simple]{
		Commutes: true,
		Values: func(p *partial.Simple, _, _ int64) []float64 {
			return []float64{float64(p.Count), p.Total(), p.Avg()}
		},
		Naive: func(s []partialtest.Sample, _, _ int64) (values, bounds []float64) {
			sum, size := exactSum(s)
			return []float64{float64(len(s)), sum, exactMean(s)}, []float64{0, size * tolerance, size * tolerance}
		},
		Samples: func(rnd *rand.Rand, n int, after int64) []partialtest.Sample {
			large := []float64{1.7e308, -1.7e308, 1.7e308, -1.7e308, 3e307, -3e307, 1, -1e300}
			if rnd.IntN(2) == 0 {
				large = append(large, math.Inf(1))
			}
			if rnd.IntN(3) == 0 {
				large = append(large, math.Inf(-1))
			}
			if rnd.IntN(4) == 0 {
				large = append(large, math.NaN())
			}
			out := make([]partialtest.Sample, rnd.IntN(1+rnd.IntN(n+1)))
			for i := range out {
				out[i] = partialtest.Sample{T: after + int64(i+1)*1000, V: large[rnd.IntN(len(large))]}
			}
			return out
		},
	})
}

// TestSimpleAddCompensates holds the sum of finite samples against Neumaier's
// summation written down once more, to the bit.
func TestSimpleAddCompensates(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		var p partial.Simple
		sum, c := 0.0, 0.0
		for i := range 20 {
			v := math.Ldexp(rnd.Float64()-0.5, rnd.IntN(120)-60)
			p.Add(int64(i), v)
			total := sum + v
			if math.Abs(sum) >= math.Abs(v) {
				c += (sum - total) + v
			} else {
				c += (v - total) + sum
			}
			sum = total
		}
		if p.Sum != sum || p.C != c || p.Count != 20 {
			t.Fatalf("20 samples give %v + %v, want %v + %v", p.Sum, p.C, sum, c)
		}
	}
}

func TestMomentsLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Moments]{
		Commutes: true,
		Values: func(p *partial.Moments, _, _ int64) []float64 {
			return []float64{float64(p.Count), p.Stdvar(), p.Stddev()}
		},
		Naive: func(s []partialtest.Sample, _, _ int64) (values, bounds []float64) {
			n := float64(len(s))
			sum, _ := exactSum(s)
			squares := make([]partialtest.Sample, len(s))
			for i, x := range s {
				squares[i].V = (x.V - sum/n) * (x.V - sum/n)
			}
			m2, _ := exactSum(squares)
			_, size := exactSum(square(s))
			return []float64{n, m2 / n, math.Sqrt(m2 / n)}, []float64{0, size * tolerance, math.Sqrt(size * tolerance)}
		},
	})
}

func TestLastLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Last]{
		Commutes: true,
		Values: func(p *partial.Last, _, _ int64) []float64 {
			return []float64{float64(p.Until - 1), p.V}
		},
		Naive: func(s []partialtest.Sample, _, _ int64) (values, bounds []float64) {
			if len(s) == 0 {
				return nil, nil
			}
			last := s[len(s)-1]
			return []float64{float64(last.T), last.V}, []float64{0, 0}
		},
	})
}

func TestCounterLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Counter]{
		Values: func(p *partial.Counter, after, upTo int64) []float64 {
			return []float64{
				float64(p.Count), p.Lost,
				orNaN(p.Rate(after, upTo)), orNaN(p.Increase(after, upTo)), orNaN(p.Delta(after, upTo)),
			}
		},
		Naive: func(s []partialtest.Sample, after, upTo int64) (values, bounds []float64) {
			var lost, size float64
			for i := range s {
				if i > 0 && s[i].V < s[i-1].V {
					lost += s[i-1].V
				}
				if math.Abs(s[i].V) <= math.MaxFloat64 {
					size += math.Abs(s[i].V)
				}
			}
			seconds := float64(upTo-after) / 1000
			inc := engine("increase", s, after, upTo)
			bound := 4 * size * tolerance
			return []float64{float64(len(s)), lost, engine("rate", s, after, upTo), inc, engine("delta", s, after, upTo)},
				[]float64{0, bound, bound / seconds, bound, 0}
		},
	})
}

// TestCompensationSurvivesMerge: what a large sum cannot hold is kept beside
// it, and still there when the large part cancels out in another partial.
func TestCompensationSurvivesMerge(t *testing.T) {
	var a, b partial.Simple
	for _, v := range []float64{1e16, 1, 1e-3} {
		a.Add(0, v)
	}
	for _, v := range []float64{-1e16, 1, 1e-3} {
		b.Add(0, v)
	}
	a.Merge(&b)
	if got, want := a.Total(), 2.002; !partialtest.Close(got, want, 1e-12) {
		t.Errorf("sum is %v, want %v", got, want)
	}
}

func TestLastKeepsTheLaterOfTwoAtOneTime(t *testing.T) {
	var p, b partial.Last
	p.Add(0, 1)
	if p.Empty() {
		t.Error("a sample at the epoch is lost")
	}
	p.Add(0, 2)
	if p.V != 2 {
		t.Errorf("after two samples at one time V = %v, want the later, 2", p.V)
	}
	b.Add(0, 3)
	if p.Merge(&b); p.V != 3 {
		t.Errorf("after merging a later sample of the same time V = %v, want 3", p.V)
	}
}

func orNaN(v float64, ok bool) float64 {
	if !ok {
		return math.NaN()
	}
	return v
}

func smaller(a, b float64) float64 {
	if b < a || math.IsNaN(a) {
		return b
	}
	return a
}

func square(s []partialtest.Sample) []partialtest.Sample {
	out := make([]partialtest.Sample, len(s))
	for i, x := range s {
		out[i].V = x.V * x.V
	}
	return out
}

// exactSum adds in 3,000 bits, and says how much the values are in absolute
// terms, at most the largest double. What is not finite has no such sum and
// follows IEEE 754, whatever else there is; its size is 0.
func exactSum(s []partialtest.Sample) (sum, size float64) {
	odd := 0.0
	for _, x := range s {
		if math.IsNaN(x.V) || math.IsInf(x.V, 0) {
			odd += x.V
		}
	}
	if odd != 0 {
		return odd, 0
	}
	exact, abs := new(big.Float).SetPrec(3000), new(big.Float).SetPrec(3000)
	for _, x := range s {
		v := new(big.Float).SetPrec(3000).SetFloat64(x.V)
		exact.Add(exact, v)
		abs.Add(abs, v.Abs(v))
	}
	sum, _ = exact.Float64()
	size, _ = abs.Float64()
	return sum, min(size, math.MaxFloat64)
}

// exactMean is the mean, which no overflow of the sum spoils.
func exactMean(s []partialtest.Sample) float64 {
	small := make([]partialtest.Sample, len(s))
	for i, x := range s {
		small[i].V = x.V * 0x1p-64
	}
	sum, _ := exactSum(small)
	return sum / float64(len(s)) * 0x1p64
}
