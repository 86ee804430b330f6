package native

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial"
)

// Counter is the partial for rate and increase. For its histograms h1..hn in time
// order, where a reset lies between two that DetectReset says so of:
//
//	H1  N == n; First and Last are h1 and hn
//	H2  FirstReset says that a reset lies between h1 and h2; then Second is h2, and else
//	    nil, since memory follows from how many histograms are kept
//	H3  Resets is h(i-1) of every reset between h(i-1) and hi, i > 2, in order
//	H4  of h2..hn: MinSchema is the smallest schema; Custom and Exponential say that
//	    some have custom buckets, and that some have not
//
// Hence the histogram grew by hn - h1 + the sum of Resets, without h1 where FirstReset
// says so. It is ordered.
type Counter struct {
	Floats partial.Counter // of the samples that are floats

	N                   uint32
	MinSchema           int32
	FirstReset          bool
	Custom, Exponential bool
	FirstT, LastT       int64
	First, Second, Last *histogram.FloatHistogram
	Resets              []*histogram.FloatHistogram
}

// Empty reports whether no sample was added.
func (p *Counter) Empty() bool { return p.N == 0 && p.Floats.Empty() }

// Add folds in a float, later than all samples before.
func (p *Counter) Add(t int64, v float64) { p.Floats.Add(t, v) }

// AddHistogram folds in a histogram, later than all samples before.
func (p *Counter) AddHistogram(t int64, h *histogram.FloatHistogram) {
	one := Counter{N: 1, FirstT: t, LastT: t, First: h, Last: h}
	p.Merge(&one)
}

// Merge extends p by later, whose samples must all be later than p's.
func (p *Counter) Merge(later *Counter) {
	p.Floats.Merge(&later.Floats)
	switch {
	case later.N == 0:
		return
	case p.N == 0:
		floats := p.Floats
		*p = *later
		p.Floats = floats
		return
	}
	reset := later.First.DetectReset(p.Last)
	// Others may hold the same list: it is copied before it grows.
	resets := slices.Clip(p.Resets)
	if p.N == 1 {
		if p.FirstReset = reset; reset {
			p.Second = later.First
		}
		p.MinSchema = later.First.Schema
	} else if reset {
		resets = append(resets, p.Last)
	}
	p.see(later.First)
	if later.N > 1 {
		if later.FirstReset {
			resets = append(resets, later.First)
		}
		resets = append(resets, later.Resets...)
		p.MinSchema = min(p.MinSchema, later.MinSchema)
		p.Custom, p.Exponential = p.Custom || later.Custom, p.Exponential || later.Exponential
	}
	p.Resets = resets
	p.N += later.N
	p.Last, p.LastT = later.Last, later.LastT
}

// see takes note of the layout of a histogram after the first.
func (p *Counter) see(h *histogram.FloatHistogram) {
	p.MinSchema = min(p.MinSchema, h.Schema)
	if h.UsesCustomBuckets() {
		p.Custom = true
	} else {
		p.Exponential = true
	}
}

// Increase is what increase says of the window after < t <= upTo, and Rate is what
// rate says, per second. There is no value where the window holds too few samples,
// both floats and histograms, or histograms that cannot be compared.
func (p *Counter) Increase(after, upTo int64) (Value, bool) { return p.grown(after, upTo, 1) }

// Rate is Increase by the seconds of the window.
func (p *Counter) Rate(after, upTo int64) (Value, bool) {
	return p.grown(after, upTo, (time.Duration(upTo-after) * time.Millisecond).Seconds())
}

func (p *Counter) grown(after, upTo int64, seconds float64) (Value, bool) {
	switch {
	case p.N == 0:
		// rate divides the factor, as the engine does; increase has none to divide by.
		if seconds == 1 {
			return valued(p.Floats.Increase(after, upTo))
		}
		return valued(p.Floats.Rate(after, upTo))
	case p.N < 2 || !p.Floats.Empty():
		return Value{}, false
	}
	h := p.difference()
	if h == nil {
		return Value{}, false
	}
	var (
		toStart   = float64(p.FirstT-after) / 1000
		toEnd     = float64(upTo-p.LastT) / 1000
		sampled   = float64(p.LastT-p.FirstT) / 1000
		between   = sampled / float64(p.N-1)
		threshold = between * 1.1
	)
	if toStart >= threshold {
		toStart = between / 2
	}
	// Counters cannot be negative: not beyond the point where it was zero.
	if h.Count > 0 && p.First.Count >= 0 {
		if toZero := sampled * (p.First.Count / h.Count); toZero < toStart {
			toStart = toZero
		}
	}
	if toEnd >= threshold {
		toEnd = between / 2
	}
	factor := (sampled + toStart + toEnd) / sampled
	return Value{Histogram: h.Mul(factor / seconds)}, true
}

// difference is by how much the histogram grew from the first sample to the last; nil
// where exponential and custom buckets are mixed. N >= 2.
func (p *Counter) difference() *histogram.FloatHistogram {
	first := p.First
	if p.FirstReset {
		first = &histogram.FloatHistogram{Schema: p.Second.Schema, CustomValues: p.Second.CustomValues}
	}
	if p.Custom && p.Exponential || first.UsesCustomBuckets() != p.Custom {
		return nil
	}
	h := p.Last.CopyToSchema(min(p.MinSchema, first.Schema))
	// Errors are of mixed layouts, which there are none of; that hints contradict each
	// other does not matter, since resets are accounted for here.
	if _, _, _, err := h.Sub(first); err != nil {
		return nil
	}
	for _, lost := range p.Resets {
		if _, _, _, err := h.Add(lost); err != nil {
			return nil
		}
	}
	h.CounterResetHint = histogram.GaugeType
	return h.Compact(0)
}

// held is how many bytes the partial points to. Histograms that partials share are
// counted in each of them.
func (p *Counter) held() int64 {
	n := int64(8 * cap(p.Resets))
	for _, h := range p.Resets {
		n += size(h)
	}
	if p.N > 0 {
		n += size(p.First)
	}
	if p.N > 1 {
		n += size(p.Last)
	}
	if p.FirstReset && p.N > 2 {
		n += size(p.Second)
	}
	return n
}
