package partial

// First is the partial for first_over_time: the oldest sample.
//
//	O1  Since == T + 1, where T is the time of the oldest sample
//	O2  Since == 0 exactly for the zero First; sample times are >= 0
//	O3  V is the value at T; of two samples at T the one that came later
type First struct {
	Since int64 // milliseconds since the epoch, plus one
	V     float64
}

var firstTraits = Traits{Name: "first"}

// Empty reports whether no sample was added.
func (p *First) Empty() bool { return p.Since == 0 }

// Add folds in the sample at t >= 0.
func (p *First) Add(t int64, v float64) {
	if p.Since == 0 || t+1 <= p.Since {
		p.Since, p.V = t+1, v
	}
}

// Merge joins b to p. It is associative and the zero First is its identity; it
// commutes where p and b hold no sample of one time.
func (p *First) Merge(b *First) {
	if b.Since != 0 && (p.Since == 0 || b.Since <= p.Since) {
		*p = *b
	}
}
