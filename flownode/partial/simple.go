package partial

import "math"

// Simple is the partial for functions of a set of samples in which order and
// resets do not matter: sum, avg, min, max, count and present over time.
//
//	S1  Count == n, and Count == 0 exactly for the zero Simple
//	S2  Sum is finite: Sum + C is the sum of the samples
//	S3  Sum is infinite though Min and Max are not, so additions overflowed:
//	    C is the mean of the samples, which does not overflow
//	S4  Sum is infinite or NaN otherwise: it is both sum and mean, C is idle
//	S5  Min, Max are NaN exactly when every sample is NaN
//
// A partial that a database computed, without compensation, has C == 0 and
// keeps all of these as long as the database refuses to overflow.
type Simple struct {
	Count    int64
	Sum      float64
	C        float64 // see S2 to S4
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
	if sum, c := add(p.Sum, p.C, v); !isInf(sum) && !isInf(p.Sum) {
		p.Count++
		p.Sum, p.C = sum, c
		p.widen(v, v)
		return
	}
	one := Simple{Count: 1, Sum: v, Min: v, Max: v}
	p.mergeMeans(&one)
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
	sum, c := add(p.Sum, p.C, b.Sum)
	if isInf(sum) || isInf(p.Sum) || isInf(b.Sum) {
		p.mergeMeans(b)
		return
	}
	p.Count += b.Count
	p.Sum, p.C = sum, c+b.C
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

// mergeMeans is Merge for non-empty partials of which one has an infinite sum,
// or whose sums together overflow.
func (p *Simple) mergeMeans(b *Simple) {
	n := float64(p.Count + b.Count)
	mean := p.Avg()*(float64(p.Count)/n) + b.Avg()*(float64(b.Count)/n)
	if !p.overflowed() || !b.overflowed() {
		p.Sum += b.Sum
	} // else both sums stand for finite samples: once over, a sum stays where it is
	p.C = 0
	p.Count += b.Count
	p.widen(b.Min, b.Max)
	if p.overflowed() {
		p.C = mean
	}
}

// overflowed reports S3.
func (p *Simple) overflowed() bool { return isInf(p.Sum) && finite(p.Min) && finite(p.Max) }

// Total is the sum of the samples, as sum_over_time gives it: infinite where
// it overflows. 0 when empty.
func (p *Simple) Total() float64 {
	if isInf(p.Sum) {
		return p.Sum
	}
	return p.Sum + p.C
}

// Avg is the mean of the samples, as avg_over_time gives it: finite even where
// the sum overflows. NaN when empty.
func (p *Simple) Avg() float64 {
	n := float64(p.Count)
	switch {
	case p.overflowed():
		return p.C
	case isInf(p.Sum):
		return p.Sum
	default:
		return p.Sum/n + p.C/n
	}
}
