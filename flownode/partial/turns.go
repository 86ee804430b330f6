package partial

// Turns is the partial of one series for changes and resets. For its samples
// v1..vn in time order:
//
//	T1  Count == n, and Count == 0 exactly for the zero Turns
//	T2  Changes is how many v(i) differ from v(i-1); NaN does not differ from NaN
//	T3  Resets is how many v(i) are less than v(i-1)
//
// It is ordered: Add and Merge take only what is later than all before. It is
// not part of Counter, which would make the state of every rate larger.
type Turns struct {
	FirstV, LastV   float64
	Count           int64
	Changes, Resets int64
}

var turnsTraits = Traits{Name: "turns", Ordered: true}

// Empty reports whether no sample was added.
func (p *Turns) Empty() bool { return p.Count == 0 }

// Add folds in one sample, which must be later than all before.
func (p *Turns) Add(_ int64, v float64) {
	if p.Count == 0 {
		p.FirstV = v
	} else {
		p.turn(v)
	}
	p.Count++
	p.LastV = v
}

// turn counts the step from the last value to v.
func (p *Turns) turn(v float64) {
	if v != p.LastV && !(isNaN(v) && isNaN(p.LastV)) {
		p.Changes++
	}
	if v < p.LastV {
		p.Resets++
	}
}

// Merge extends p by later, whose samples must all be later than p's. It is
// associative and the zero Turns is its identity; it does not commute. The step
// between the two parts is seen here and nowhere else.
func (p *Turns) Merge(later *Turns) {
	switch {
	case later.Count == 0:
		return
	case p.Count == 0:
		*p = *later
		return
	}
	p.turn(later.FirstV)
	p.Changes += later.Changes
	p.Resets += later.Resets
	p.Count += later.Count
	p.LastV = later.LastV
}
