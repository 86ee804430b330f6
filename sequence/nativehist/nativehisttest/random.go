// Package nativehisttest makes random native histograms, for tests.
package nativehisttest

import (
	"math"
	"math/rand/v2"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// Generator makes valid histograms of all kinds: integer and float, exponential
// and with custom buckets, with every hint, stale markers among them.
type Generator struct{ rng *rand.Rand }

// New makes a generator.
func New(rng *rand.Rand) *Generator { return &Generator{rng} }

// Next makes a histogram; one of the two is not nil.
func (g *Generator) Next() (*histogram.Histogram, *histogram.FloatHistogram) {
	if g.rng.IntN(20) == 0 {
		return &histogram.Histogram{Sum: segment.Stale()}, nil
	}
	custom := g.rng.IntN(3) == 0
	h := &histogram.Histogram{
		CounterResetHint: histogram.CounterResetHint(g.rng.IntN(4)),
		Schema:           histogram.CustomBucketsSchema,
		Sum:              g.rng.NormFloat64() * 100,
	}
	if custom {
		for bound, n := -5*g.rng.Float64(), g.rng.IntN(9); n > 0; n-- {
			h.CustomValues = append(h.CustomValues, bound)
			bound += 0.001 + g.rng.Float64()
		}
		h.PositiveSpans, h.PositiveBuckets, h.Count = g.side(len(h.CustomValues)+1, 0)
	} else {
		h.Schema = int32(g.rng.IntN(13)) - 4
		h.ZeroThreshold = []float64{0, 1e-128, 0.001}[g.rng.IntN(3)]
		h.ZeroCount = uint64(g.rng.IntN(5))
		var n uint64
		h.PositiveSpans, h.PositiveBuckets, h.Count = g.side(40, int32(g.rng.IntN(40))-20)
		h.NegativeSpans, h.NegativeBuckets, n = g.side(20, int32(g.rng.IntN(20))-10)
		h.Count += n + h.ZeroCount
	}
	if g.rng.IntN(30) == 0 {
		h.Sum = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[g.rng.IntN(3)]
	}
	if g.rng.IntN(2) == 0 {
		return h, nil
	}
	fh := h.ToFloat(nil)
	factor := 1 + g.rng.Float64()
	fh.Count *= factor
	fh.ZeroCount *= factor
	for i := range fh.PositiveBuckets {
		fh.PositiveBuckets[i] *= factor
	}
	for i := range fh.NegativeBuckets {
		fh.NegativeBuckets[i] *= factor
	}
	return nil, fh
}

// Payload is Next as it is stored.
func (g *Generator) Payload() (payload []byte, sum float64) {
	h, fh := g.Next()
	return Encode(h, fh)
}

// Encode is the payload and the sum of whichever histogram is not nil; it
// panics when it is not valid.
func Encode(h *histogram.Histogram, fh *histogram.FloatHistogram) (payload []byte, sum float64) {
	var err error
	if h != nil {
		payload, err = nativehist.Append(nil, h)
		sum = h.Sum
	} else {
		payload, err = nativehist.AppendFloat(nil, fh)
		sum = fh.Sum
	}
	if err != nil {
		panic(err)
	}
	return payload, sum
}

// side makes spans over at most room buckets from the index first on, and
// counts as deltas, of which the sum is count.
func (g *Generator) side(room int, first int32) (spans []histogram.Span, deltas []int64, count uint64) {
	offset, before := first, int64(0)
	for room > 0 && g.rng.IntN(4) != 0 {
		if len(spans) > 0 || first == 0 {
			offset = int32(g.rng.IntN(min(room, 4)))
			room -= int(offset)
		}
		n := g.rng.IntN(min(room, 6) + 1)
		room -= n
		spans = append(spans, histogram.Span{Offset: offset, Length: uint32(n)})
		for range n {
			c := g.rng.Int64N(1000)
			deltas = append(deltas, c-before)
			before = c
			count += uint64(c)
		}
	}
	return spans, deltas, count
}
