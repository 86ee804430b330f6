package partial

// Last is the partial for last_over_time and instant selectors: the newest
// sample. An instant selector adds stale markers too, which then are the
// newest sample and say that the series has ended.
//
//	N1  Until == T + 1, where T is the time of the newest sample
//	N2  Until == 0 exactly for the zero Last; sample times are >= 0
//	N3  V is the value at T; of two samples at T the one that came later
type Last struct {
	Until int64 // milliseconds since the epoch, exclusive
	V     float64
}

var lastTraits = Traits{Name: "last"}

// Empty reports whether no sample was added.
func (p *Last) Empty() bool { return p.Until == 0 }

// Add folds in the sample at t >= 0.
func (p *Last) Add(t int64, v float64) {
	if t+1 >= p.Until {
		p.Until, p.V = t+1, v
	}
}

// Merge joins b to p. It is associative and the zero Last is its identity; it
// commutes where p and b hold no sample of one time.
func (p *Last) Merge(b *Last) {
	if b.Until != 0 && b.Until >= p.Until {
		*p = *b
	}
}
