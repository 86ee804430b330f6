package partial

import "math"

// Simple is the partial for functions of a set of samples in which order and
// resets do not matter: sum, avg, min, max, count and present over time.
//
//	S1  Count == n, and Count == 0 exactly for the zero Simple
//	S2  Sum with C is the sum of the samples as Plus keeps it, whatever their order:
//	    beyond the range of a double, too
//	S3  Min, Max are NaN exactly when every sample is NaN
//
// A partial that a database computed, without compensation, has C == 0 and
// keeps all of these as long as the database refuses to overflow.
type Simple struct {
	Count    int64
	Sum      float64
	C        float64 // see S2
	Min, Max float64
}

var simpleTraits = Traits{Name: "simple", FoldsLate: true, SQL: true}

// Empty reports whether no sample was added.
func (p *Simple) Empty() bool { return p.Count == 0 }

// Add folds in one sample. The time does not matter.
func (p *Simple) Add(_ int64, v float64) {
	if p.Count == 0 {
		*p = Simple{Count: 1, Sum: v, Min: v, Max: v}
		return
	}
	// Nearly all sums are finite. This is what follows below without asking
	// again and again what is infinite.
	if total := float64(p.Sum + v); finite(total) {
		if math.Abs(p.Sum) >= math.Abs(v) {
			p.C += float64(float64(p.Sum-total) + v)
		} else {
			p.C += float64(float64(v-total) + p.Sum)
		}
		p.Count++
		p.Sum = total
		p.widen(v, v)
		return
	}
	p.Count++
	p.Sum, p.C = plusBeyond(p.Sum, p.C, v, 0)
	p.widen(v, v)
}

// Merge joins b to p. It is associative and commutes, and the zero Simple is
// its identity; of equal minima or maxima (0 and -0) p's stay.
func (p *Simple) Merge(b *Simple) {
	switch {
	case b.Count == 0:
		return
	case p.Count == 0:
		*p = *b
		return
	}
	p.Count += b.Count
	p.Sum, p.C = Plus(p.Sum, p.C, b.Sum, b.C)
	p.widen(b.Min, b.Max)
}

// widen extends Min and Max.
func (p *Simple) widen(lo, hi float64) {
	if lo < p.Min || isNaN(p.Min) {
		p.Min = lo
	}
	if hi > p.Max || isNaN(p.Max) {
		p.Max = hi
	}
}

// Total is the sum of the samples: infinite where a double does not hold it, 0 when empty.
// It is what sum_over_time gives, unless that leaves the range of a double on its way to a
// sum within it, or before it meets an infinite sample.
func (p *Simple) Total() float64 { return Total(p.Sum, p.C) }

// Avg is the mean of the samples, as avg_over_time gives it: finite even where
// the sum overflows. NaN when empty.
func (p *Simple) Avg() float64 { return Mean(p.Sum, p.C, float64(p.Count)) }
