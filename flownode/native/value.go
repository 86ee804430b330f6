package native

import (
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
