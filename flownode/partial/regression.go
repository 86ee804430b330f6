package partial

import "math"

// Regression is the partial of one series for deriv and predict_linear: a
// least-squares line through its samples, kept as means and sums of products
// around them, which unlike plain sums lose nothing when the samples lie far
// from the origin. x is seconds since Anchor.
//
//	R1  Count == n, and Count == 0 exactly for the zero Regression
//	R2  MeanX and MeanY are the means of x and of the values
//	R3  Mxx is the sum of (x - MeanX)^2, Mxy of (x - MeanX) (v - MeanY)
//	R4  Const says that all values equal Y: then the line is level, exactly
//
// A NaN or infinite sample makes Mxy NaN, which stays.
type Regression struct {
	Count        int64
	Anchor       int64 // milliseconds since the epoch; the time of some sample
	MeanX, MeanY float64
	Mxx, Mxy     float64
	Y            float64
	Const        bool
}

var regressionTraits = Traits{Name: "regression"}

// Empty reports whether no sample was added.
func (p *Regression) Empty() bool { return p.Count == 0 }

// Add folds in the sample at t.
func (p *Regression) Add(t int64, v float64) {
	if p.Count == 0 {
		*p = Regression{Count: 1, Anchor: t, MeanY: v, Mxy: 0 * v, Y: v, Const: true}
		return
	}
	p.Count++
	n := float64(p.Count)
	dx := float64(t-p.Anchor)/1000 - p.MeanX
	p.MeanX += dx / n
	p.MeanY += (v - p.MeanY) / n
	p.Mxx += dx * (float64(t-p.Anchor)/1000 - p.MeanX)
	p.Mxy += dx * (v - p.MeanY)
	p.Const = p.Const && v == p.Y
}

// Merge joins b to p. It is associative and commutes, and the zero Regression
// is its identity.
func (p *Regression) Merge(b *Regression) {
	switch {
	case b.Count == 0:
		return
	case p.Count == 0:
		*p = *b
		return
	}
	na, nb := float64(p.Count), float64(b.Count)
	n := na + nb
	dx := float64(b.Anchor-p.Anchor)/1000 + b.MeanX - p.MeanX
	dy := b.MeanY - p.MeanY
	p.Mxx += b.Mxx + dx*dx*(na*(nb/n))
	p.Mxy += b.Mxy + dx*dy*(na*(nb/n))
	p.MeanX += dx * (nb / n)
	p.MeanY += dy * (nb / n)
	p.Count += b.Count
	p.Const = p.Const && b.Const && p.Y == b.Y
}

// Slope is what deriv() says: how much the line rises per second; ok is false
// when there are too few samples for a line.
func (p *Regression) Slope() (v float64, ok bool) {
	switch {
	case p.Count < 2:
		return 0, false
	case !p.Const:
		return p.Mxy / p.Mxx, true
	case finite(p.Y):
		return 0, true
	default:
		return math.NaN(), true
	}
}

// Predict is what predict_linear() says at now (ms since the epoch): where the
// line will be so many seconds later.
func (p *Regression) Predict(now int64, seconds float64) (v float64, ok bool) {
	slope, ok := p.Slope()
	if !ok {
		return 0, false
	}
	from, level := float64(now-p.Anchor)/1000-p.MeanX, p.MeanY
	if p.Const {
		level = p.Y
	}
	return level + slope*from + slope*seconds, true
}
