package nativehist

import (
	"iter"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// Sparse is a native histogram as result tables hold it: the buckets that are not
// empty, each by its index. Bucket i of an exponential schema s reaches up to
// 2^(i * 2^-s), on the negative side down to minus that; bucket i of custom buckets
// up to CustomValues[i], and the last one without end. So histograms that say the
// same have one Sparse, however their buckets are laid out. It is not changed after it
// was made.
//
//	len(NegativeBuckets) == len(NegativeCounts), NegativeBuckets ascend; as do the
//	positive ones
type Sparse struct {
	Schema          int32 // -4 to 8 exponential, -53 custom buckets
	Count, Sum      float64
	ZeroThreshold   float64
	ZeroCount       float64
	NegativeBuckets []int32
	NegativeCounts  []float64
	PositiveBuckets []int32
	PositiveCounts  []float64
	CustomValues    []float64
	Gauge           bool // it says what is, and not what has been counted
}

// NewSparse is a histogram as tables hold it. It shares no memory with h.
func NewSparse(h *histogram.FloatHistogram) *Sparse {
	s := &Sparse{
		Schema: h.Schema, Count: h.Count, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount,
		CustomValues: slices.Clone(h.CustomValues), Gauge: h.CounterResetHint == histogram.GaugeType,
	}
	s.NegativeBuckets, s.NegativeCounts = filled(h.NegativeSpans, h.NegativeBuckets)
	s.PositiveBuckets, s.PositiveCounts = filled(h.PositiveSpans, h.PositiveBuckets)
	return s
}

// filled is the buckets of a side that are not empty.
func filled(spans []histogram.Span, counts []float64) (buckets []int32, out []float64) {
	at, next := int32(0), 0
	for _, span := range spans {
		at += span.Offset
		for range span.Length {
			if c := counts[next]; c != 0 {
				buckets, out = append(buckets, at), append(out, c)
			}
			at++
			next++
		}
	}
	return buckets, out
}

// Float is the histogram as the query engine takes it. It shares no memory with s.
func (s *Sparse) Float() *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{
		Schema: s.Schema, Count: s.Count, Sum: s.Sum, ZeroThreshold: s.ZeroThreshold, ZeroCount: s.ZeroCount,
		NegativeBuckets: slices.Clone(s.NegativeCounts), PositiveBuckets: slices.Clone(s.PositiveCounts),
		NegativeSpans: spansOf(s.NegativeBuckets), PositiveSpans: spansOf(s.PositiveBuckets),
	}
	if len(s.CustomValues) > 0 { // an exponential histogram must have none, and an array of none is some
		h.CustomValues = slices.Clone(s.CustomValues)
	}
	if s.Gauge {
		h.CounterResetHint = histogram.GaugeType
	}
	return h
}

// spansOf is the spans of buckets that ascend.
func spansOf(buckets []int32) (out []histogram.Span) {
	next := int32(0) // the bucket after the last span
	for _, b := range buckets {
		if n := len(out); n > 0 && b == next {
			out[n-1].Length++
		} else {
			out = append(out, histogram.Span{Offset: b - next, Length: 1})
		}
		next = b + 1
	}
	return out
}

// Equal reports whether two histograms are one to a table: NaN equals NaN, and zero
// equals minus zero. nil, which is no histogram, equals nil.
func (s *Sparse) Equal(o *Sparse) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.SameBuckets(o) && sameNumber(s.Sum, o.Sum) && slices.EqualFunc(slices.Collect(s.Counts()), slices.Collect(o.Counts()), sameNumber)
}

// SameBuckets reports whether two histograms have the same layout and the same
// buckets filled, whatever is in them.
func (s *Sparse) SameBuckets(o *Sparse) bool {
	return s.Schema == o.Schema && s.Gauge == o.Gauge && sameNumber(s.ZeroThreshold, o.ZeroThreshold) &&
		slices.EqualFunc(s.CustomValues, o.CustomValues, sameNumber) &&
		slices.Equal(s.NegativeBuckets, o.NegativeBuckets) && slices.Equal(s.PositiveBuckets, o.PositiveBuckets)
}

// Counts is the histogram's counts, that of all observations first.
func (s *Sparse) Counts() iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for _, list := range [][]float64{{s.Count, s.ZeroCount}, s.NegativeCounts, s.PositiveCounts} {
			for _, v := range list {
				if !yield(v) {
					return
				}
			}
		}
	}
}

func sameNumber(a, b float64) bool { return a == b || a != a && b != b }
