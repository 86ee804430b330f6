package native

import (
	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial"
)

// Last is the partial for last_over_time and instant selectors: the newest sample.
// What partial.Last says of times and of stale markers holds here too.
//
//	N4  H is the histogram at the time of the newest sample; nil for a float
type Last struct {
	partial.Last
	H *histogram.FloatHistogram
}

// Add folds in a float.
func (p *Last) Add(t int64, v float64) {
	if t+1 >= p.Until {
		p.Last.Add(t, v)
		p.H = nil
	}
}

// AddHistogram folds in a histogram.
func (p *Last) AddHistogram(t int64, h *histogram.FloatHistogram) {
	if t+1 >= p.Until {
		p.Last.Add(t, h.Sum)
		p.H = h
	}
}

// Merge joins b to p.
func (p *Last) Merge(b *Last) {
	if !b.Empty() && b.Until >= p.Until {
		*p = *b
	}
}

// Newest is the newest sample. The histogram is a copy.
func (p *Last) Newest() (Value, bool) {
	switch {
	case p.Empty():
		return Value{}, false
	case p.H != nil:
		return Value{Histogram: p.H.Copy()}, true
	}
	return Value{Float: p.V}, true
}

func (p *Last) held() int64 { return size(p.H) }
