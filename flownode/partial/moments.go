package partial

import "math"

// Moments is the partial for stddev and stdvar over time.
//
//	M1  Count == n, and Count == 0 exactly for the zero Moments
//	M2  Mean is the mean of the samples
//	M3  M2 is the sum of (v - Mean)^2, never negative
//
// A NaN or infinite sample makes M2 NaN, which stays.
type Moments struct {
	Count int64
	Mean  float64
	M2    float64
}

var momentsTraits = Traits{Name: "moments", FoldsLate: true}

// Empty reports whether no sample was added.
func (p *Moments) Empty() bool { return p.Count == 0 }

// Add folds in one sample, by Welford's method. The time does not matter.
func (p *Moments) Add(_ int64, v float64) {
	p.Count++
	delta := v - p.Mean
	p.Mean += delta / float64(p.Count)
	p.M2 += delta * (v - p.Mean)
}

// Merge joins b to p, by Chan's method. It is associative and commutes, and
// the zero Moments is its identity.
func (p *Moments) Merge(b *Moments) {
	switch {
	case b.Count == 0:
		return
	case p.Count == 0:
		*p = *b
		return
	}
	na, nb := float64(p.Count), float64(b.Count)
	n := na + nb
	delta := b.Mean - p.Mean
	p.Mean += delta * (nb / n)
	p.M2 += b.M2 + delta*delta*(na*(nb/n))
	p.Count += b.Count
}

// Stdvar is the population variance; NaN when empty.
func (p *Moments) Stdvar() float64 { return p.M2 / float64(p.Count) }

// Stddev is the population standard deviation; NaN when empty.
func (p *Moments) Stddev() float64 { return math.Sqrt(p.Stdvar()) }
