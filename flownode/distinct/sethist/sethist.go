// Package sethist is a set of values as a native histogram, so that PromQL can carry it:
// values_over_time gives such histograms, sum makes the union of them, and count_distinct
// says how many values there are.
//
//	schema 8, and a zero threshold that no other histogram has
//	positive bucket i   the key 2i+1 (package distinct)
//	negative bucket i   the key 2i: a register and its rank
//	zero bucket         not empty where keys are registers', or some of them
//
// What is counted in a bucket does not matter, as long as it is more than nothing. So
// Prometheus's addition of histograms is a union, in any order and any number of times.
// Buckets do not mean ranges of values here, and quantiles of such a histogram mean nothing.
//
// The package is pure: no SQL, no clock, no goroutines.
package sethist

import (
	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/distinct"
)

// The layout that tells sets from other histograms.
const (
	Schema        = 8
	ZeroThreshold = 0x1p-500
)

// Of is a set as a histogram. It shares no memory with the set.
func Of(s *distinct.Set) *histogram.FloatHistogram {
	keys, ofRegisters := s.Keys()
	h := &histogram.FloatHistogram{CounterResetHint: histogram.GaugeType, Schema: Schema, ZeroThreshold: ZeroThreshold}
	if ofRegisters {
		h.ZeroCount = 1
	}
	h.NegativeSpans, h.NegativeBuckets = side(keys, 0)
	h.PositiveSpans, h.PositiveBuckets = side(keys, 1)
	h.Count = h.ZeroCount + float64(len(keys))
	return h
}

// side is the keys whose lowest bit is odd, which ascend, as buckets.
func side(keys []distinct.Key, odd distinct.Key) (spans []histogram.Span, buckets []float64) {
	next := int32(0) // the bucket after the last one
	for _, k := range keys {
		if k&1 != odd {
			continue
		}
		i := int32(k >> 1)
		if n := len(spans); n > 0 && i == next {
			spans[n-1].Length++
		} else {
			spans = append(spans, histogram.Span{Offset: i - next, Length: 1})
		}
		buckets, next = append(buckets, 1), i+1
	}
	return spans, buckets
}

// Is reports whether a histogram with this schema and zero threshold is a set.
func Is(schema int32, zeroThreshold float64) bool {
	return schema == Schema && zeroThreshold == ZeroThreshold
}

// Set is the set that a histogram is; ok is false of one that is none.
func Set(h *histogram.FloatHistogram) (s distinct.Set, ok bool) {
	if !Is(h.Schema, h.ZeroThreshold) {
		return distinct.Set{}, false
	}
	keys := make([]distinct.Key, 0, len(h.PositiveBuckets)+len(h.NegativeBuckets))
	keys = appendKeys(keys, h.NegativeSpans, h.NegativeBuckets, 0)
	keys = appendKeys(keys, h.PositiveSpans, h.PositiveBuckets, 1)
	return distinct.OfKeys(keys, h.ZeroCount > 0), true
}

// Canonical is a histogram that is a set as Of makes it: a sum of sets is longer, and
// counts how often a key came. Other histograms, and nil, stay as they are.
func Canonical(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	if h == nil || !Is(h.Schema, h.ZeroThreshold) {
		return h
	}
	s, _ := Set(h)
	return Of(&s)
}

func appendKeys(keys []distinct.Key, spans []histogram.Span, buckets []float64, odd distinct.Key) []distinct.Key {
	i := int32(0)
	for _, span := range spans {
		i += span.Offset
		for range span.Length {
			if len(buckets) == 0 {
				return keys
			}
			if buckets[0] > 0 {
				keys = append(keys, distinct.Key(i)<<1|odd)
			}
			buckets, i = buckets[1:], i+1
		}
	}
	return keys
}
