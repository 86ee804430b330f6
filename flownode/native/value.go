package native

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
)

// Value is what a function makes of a window: a histogram, or where that is nil a
// float.
type Value struct {
	Float     float64
	Histogram *histogram.FloatHistogram
}

// valued is a float that may not be there.
func valued(v float64, ok bool) (Value, bool) { return Value{Float: v}, ok }

// size is about how many bytes a histogram takes.
func size(h *histogram.FloatHistogram) int64 {
	if h == nil {
		return 0
	}
	return int64(h.Size())
}

// tidy is a histogram without spans that have no bucket, over which Prometheus's
// arithmetic stumbles where they come first. Nearly none has any.
func tidy(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	empty := func(s histogram.Span) bool { return s.Length == 0 }
	if slices.ContainsFunc(h.PositiveSpans, empty) || slices.ContainsFunc(h.NegativeSpans, empty) {
		return h.Copy().Compact(0)
	}
	return h
}
