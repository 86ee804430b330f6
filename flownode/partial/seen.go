package partial

// Seen is the partial for counting who has samples: whether there was one.
type Seen struct{ Any bool }

var seenTraits = Traits{Name: "seen", FoldsLate: true}

// Empty reports whether no sample was added.
func (p *Seen) Empty() bool { return !p.Any }

// Add notes that there is a sample.
func (p *Seen) Add(int64, float64) { p.Any = true }

// Merge joins b to p. It is associative and commutes, and the zero Seen is its identity.
func (p *Seen) Merge(b *Seen) { p.Any = p.Any || b.Any }
