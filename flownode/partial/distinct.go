package partial

import "laminar/flownode/distinct"

// Distinct is the partial for distinct_over_time and values_over_time: the set of the
// samples' values. It does not mind order, nor a value that comes several times, and
// its laws hold to the bit.
type Distinct struct{ distinct.Set }

// Most series have few values in a pane; 16 of them are counted on. One with many takes
// 16 KiB, and no more.
var distinctTraits = Traits{Name: "distinct", FoldsLate: true, CellBytes: 32 + 64}

// Add folds in one sample. The time does not matter.
func (p *Distinct) Add(_ int64, v float64) { p.Set.Add(v) }

// Merge joins b to p. It is associative and commutes, and the zero Distinct is its
// identity; a merge with itself changes nothing.
func (p *Distinct) Merge(b *Distinct) { p.Union(&b.Set) }

// Empty reports whether no sample was added.
func (p *Distinct) Empty() bool { return p.Set.Empty() }

// Held is how many bytes the partial points to.
func (p *Distinct) Held() int64 { return p.Set.Held() }

// CloneFrom makes p, whatever it holds, a copy of b.
func (p *Distinct) CloneFrom(b *Distinct) { p.Set.CloneFrom(&b.Set) }
