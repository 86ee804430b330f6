package function

import "math"

// A value of a leaf may differ from what Prometheus computes over the same
// samples because both round, and add in another order. Both a and b are
// accepted as one value where
//
//	|a-b| <= max(Relative max(|a|,|b|), Slack)
//
// The first part is the bound of values whose terms have one sign. Where terms
// cancel out, what is left of rounding follows the size of the terms and not
// that of the value: that is Slack.
const (
	// Relative is what rounding may make of a value, relative to the larger of
	// the two that are compared.
	Relative = 1e-9

	// ofTerms is what rounding may leave of terms that cancel out, relative to
	// the sum of their absolute values. Doubles have 16 digits, so it allows for
	// a hundred times the last one. It is far less than Relative of the terms
	// and hides no change by hand.
	ofTerms = 1e-14

	// ofForecast stands for both in TermsForecast.
	ofForecast = 1e-3
)

// Rounding collects the terms of a leaf's value: those of all samples that it
// is computed from, series by series.
type Rounding struct {
	function, aggregation Terms

	sum     float64 // of the terms' absolute values, squares aside
	squares float64 // of the samples' squares
}

// RoundingOf is the Rounding of a function under an aggregation, which is nil
// for none, before any sample.
func RoundingOf(f *Function, agg *Aggregation) Rounding {
	r := Rounding{function: f.Terms, aggregation: TermsSamples}
	if agg != nil {
		r.aggregation = agg.Terms
	}
	return r
}

// NeedsSamples reports whether Slack depends on the samples at all.
func (r *Rounding) NeedsSamples() bool { return r.function != TermsForecast }

// Series adds the samples of one series in the window. Values that are not
// finite have no rounding errors and are left out.
func (r *Rounding) Series(values []float64) {
	largest := 0.0
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		largest = max(largest, math.Abs(v))
		r.squares += v * v
		if r.function != TermsDifferences {
			r.sum += math.Abs(v)
		}
	}
	if r.function == TermsDifferences {
		r.sum += largest
	}
}

// Beyond reports that the terms, which are finite, add up to more than a double holds.
func (r *Rounding) Beyond() bool {
	square := func(t Terms) bool { return t == TermsRoot || t == TermsSquares }
	return math.IsInf(r.sum, 1) || math.IsInf(r.squares, 1) && (square(r.function) || square(r.aggregation))
}

// Slack is how far apart two values may be because terms cancel out; larger is
// the larger of the two in absolute value. The error of a root is that of the
// square, divided by the root where that is larger than the error.
func (r *Rounding) Slack(larger float64) float64 {
	switch {
	case r.function == TermsForecast:
		return ofForecast * (1 + larger)
	case r.function == TermsRoot, r.aggregation == TermsRoot:
		return max(ofTerms*r.sum, min(math.Sqrt(ofTerms*r.squares), ofTerms*r.squares/larger))
	case r.function == TermsSquares, r.aggregation == TermsSquares:
		return ofTerms * r.squares
	default:
		return ofTerms * r.sum
	}
}
