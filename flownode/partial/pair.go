package partial

// Pair is the partial of one series for irate and idelta: the newest two
// samples.
//
//	D1  New is the newest sample, Old the one before it
//	D2  Old.Empty() exactly when there is at most one sample
//
// It is ordered: Add and Merge take only what is later than all before.
type Pair struct {
	Old, New Last
}

var pairTraits = Traits{Name: "pair", Ordered: true}

// Empty reports whether no sample was added.
func (p *Pair) Empty() bool { return p.New.Empty() }

// Add folds in the sample at t >= 0, which must be later than all before.
func (p *Pair) Add(t int64, v float64) {
	p.Old = p.New
	p.New = Last{Until: t + 1, V: v}
}

// Merge extends p by later, whose samples must all be later than p's. It is
// associative and the zero Pair is its identity; it does not commute.
func (p *Pair) Merge(later *Pair) {
	switch {
	case later.Empty():
	case later.Old.Empty():
		p.Old, p.New = p.New, later.New
	default:
		*p = *later
	}
}

// Irate is what irate() says: the rate per second between the two samples; ok
// is false when there is only one. A counter that went down began again at
// zero.
func (p *Pair) Irate() (v float64, ok bool) {
	if p.Old.Empty() {
		return 0, false
	}
	v = p.New.V
	if !(p.New.V < p.Old.V) { // NaN is no reset
		v -= p.Old.V
	}
	return v / (float64(p.New.Until-p.Old.Until) / 1000), true
}

// Idelta is what idelta() says: the difference of the two samples; ok is false
// when there is only one.
func (p *Pair) Idelta() (v float64, ok bool) {
	if p.Old.Empty() {
		return 0, false
	}
	return p.New.V - p.Old.V, true
}
