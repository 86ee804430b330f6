package nativehisttest

import (
	"math/rand/v2"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// Random is a valid histogram with float counts, of any kind, with empty buckets and odd
// spans.
func Random(rng *rand.Rand) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: int32(rng.IntN(13) - 4), ZeroThreshold: 1e-9, ZeroCount: float64(rng.IntN(3)), Sum: rng.NormFloat64()}
	side := func() (spans []histogram.Span, counts []float64) {
		for i := range rng.IntN(4) {
			span := histogram.Span{Offset: int32(rng.IntN(5)), Length: uint32(rng.IntN(4))}
			if i == 0 {
				span.Offset -= 7
			}
			spans = append(spans, span)
			for range span.Length {
				counts = append(counts, float64(rng.IntN(3))/2)
			}
		}
		return spans, counts
	}
	h.PositiveSpans, h.PositiveBuckets = side()
	if rng.IntN(3) == 0 {
		h.Schema, h.ZeroThreshold, h.ZeroCount = histogram.CustomBucketsSchema, 0, 0
		h.CustomValues = []float64{-1, 0.5, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30}
		if len(h.PositiveSpans) > 0 {
			h.PositiveSpans[0].Offset += 7
		}
	} else {
		h.NegativeSpans, h.NegativeBuckets = side()
	}
	if rng.IntN(2) == 0 {
		h.CounterResetHint = histogram.GaugeType
	}
	for _, c := range slices.Concat(h.PositiveBuckets, h.NegativeBuckets, []float64{h.ZeroCount}) {
		h.Count += c
	}
	return h
}
