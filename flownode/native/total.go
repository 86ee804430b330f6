package native

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial"
)

// Total is the partial for sum_over_time, avg_over_time and count_over_time.
//
//	T1  Histograms is the samples that are histograms, in time order
//
// They are kept and not added up, because adding histograms is not associative: where
// their zero buckets differ in width, it depends on the order which buckets are counted
// as zero. A pane holds few samples of a series, and partials share them, so keeping
// them takes little more than their sum would. It is ordered.
type Total struct {
	Floats     partial.Simple // of the samples that are floats
	Histograms []*histogram.FloatHistogram
}

// Empty reports whether no sample was added.
func (p *Total) Empty() bool { return len(p.Histograms) == 0 && p.Floats.Empty() }

// Add folds in a float.
func (p *Total) Add(t int64, v float64) { p.Floats.Add(t, v) }

// AddHistogram folds in a histogram, later than all histograms before.
func (p *Total) AddHistogram(_ int64, h *histogram.FloatHistogram) {
	p.Histograms = append(p.Histograms, h)
}

// Merge joins later, whose histograms must all be later than p's.
func (p *Total) Merge(later *Total) {
	p.Floats.Merge(&later.Floats)
	if len(later.Histograms) > 0 {
		// The lists stay apart: either may grow.
		p.Histograms = append(p.Histograms, later.Histograms...)
	}
}

// clone makes p hold the same, with a list of its own.
func (p *Total) clone(of *Total) {
	*p = Total{Floats: of.Floats, Histograms: slices.Clone(of.Histograms)}
}

// SumOverTime is what sum_over_time says of the samples: nothing where floats and
// histograms, or exponential and custom buckets, are mixed. Its additions are those of
// the engine, so that it says the same to the bit.
func (p *Total) SumOverTime() (Value, bool) {
	return p.combined((*partial.Simple).Total, func(hs []*histogram.FloatHistogram) (*histogram.FloatHistogram, error) {
		s := summing{sum: hs[0].Copy()}
		for _, h := range hs[1:] {
			if err := s.add(h); err != nil {
				return nil, err
			}
		}
		return s.total(1)
	})
}

// AvgOverTime is what avg_over_time says. As in the engine, a sum that overflows becomes
// a mean that is moved by each sample.
func (p *Total) AvgOverTime() (Value, bool) {
	return p.combined((*partial.Simple).Avg, func(hs []*histogram.FloatHistogram) (*histogram.FloatHistogram, error) {
		s, mean := summing{sum: hs[0].Copy()}, false
		for i, h := range hs[1:] {
			n := float64(i + 2)
			if !mean {
				next := s.copy()
				if err := next.add(h); err != nil {
					return nil, err
				}
				if !next.sum.HasOverflow() {
					s = next
					continue
				}
				mean = true
				s.scale(func(h *histogram.FloatHistogram) { h.Div(n - 1) })
			}
			s.scale(func(h *histogram.FloatHistogram) { h.Mul((n - 1) / n) })
			if err := s.add(h.Copy().Div(n)); err != nil {
				return nil, err
			}
		}
		if mean {
			return s.total(1)
		}
		return s.total(float64(len(hs)))
	})
}

// CountOverTime is what count_over_time says, which counts floats and histograms.
func (p *Total) CountOverTime() (Value, bool) {
	return Value{Float: float64(p.Floats.Count) + float64(len(p.Histograms))}, !p.Empty()
}

// combined is a value of the floats, or one of the histograms.
func (p *Total) combined(floats func(*partial.Simple) float64, histograms func([]*histogram.FloatHistogram) (*histogram.FloatHistogram, error)) (Value, bool) {
	switch {
	case len(p.Histograms) == 0:
		if p.Floats.Empty() {
			return Value{}, false
		}
		return Value{Float: floats(&p.Floats)}, true
	case !p.Floats.Empty():
		return Value{}, false
	}
	h, err := histograms(p.Histograms)
	return Value{Histogram: h}, err == nil
}

// summing is a sum that is growing, and what rounding has lost of it; lost is nil before
// the first addition. Errors are of mixed layouts.
type summing struct{ sum, lost *histogram.FloatHistogram }

func (s *summing) add(h *histogram.FloatHistogram) (err error) {
	s.lost, _, _, err = s.sum.KahanAdd(h, s.lost)
	return err
}

func (s *summing) copy() summing {
	out := summing{sum: s.sum.Copy()}
	if s.lost != nil {
		out.lost = s.lost.Copy()
	}
	return out
}

func (s *summing) scale(by func(*histogram.FloatHistogram)) {
	by(s.sum)
	if s.lost != nil {
		by(s.lost)
	}
}

// total is the sum by n, and with it what was lost.
func (s *summing) total(n float64) (*histogram.FloatHistogram, error) {
	if n != 1 {
		s.scale(func(h *histogram.FloatHistogram) { h.Div(n) })
	}
	if s.lost == nil {
		return s.sum, nil
	}
	sum, _, _, err := s.sum.Add(s.lost)
	return sum, err
}

func (p *Total) held() int64 {
	n := int64(8 * cap(p.Histograms))
	for _, h := range p.Histograms {
		n += size(h)
	}
	return n
}
