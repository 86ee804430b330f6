package partial

import "unsafe"

// Cell is one partial of the kind P. What it does keeps L1 to L5.
type Cell[P any] interface {
	*P

	// Add folds in the sample at t, milliseconds since the epoch. The partial
	// of an ordered kind must hold only samples before t.
	Add(t int64, v float64)

	// Merge joins later, which stays as it is and shares no memory with the
	// receiver afterwards (L5). For an ordered kind its samples are all later
	// than the receiver's.
	Merge(later *P)

	// Empty reports whether no sample was added.
	Empty() bool

	// Fields lists what the partial holds, for people.
	Fields() []Field
}

// Traits are the properties of a kind of partial that do not depend on its
// type.
type Traits struct {
	Name string // for people, as in "kept as counter state"

	// Ordered says that the kind does not commute (L4).
	Ordered bool

	// FoldsLate says that a sample is added to pane state as it is even if it
	// is older than others there, provided nothing else is stored at its time.
	// Where it is false, the pane is folded again from raw samples instead.
	FoldsLate bool

	// SQL says that a database can compute such partials (SimpleQuery).
	SQL bool

	// CellBytes is how much memory one partial is expected to take, with all
	// that it points to. Budgets are decided by it before the partials exist.
	CellBytes int64
}

// Memory is how partials that point to memory of their own are measured and
// copied. It is zero for a flat kind, whose partials hold no pointer: what they
// take follows from their number, and assignment copies them.
type Memory[P any] struct {
	// Held is how many bytes the partials point to, beside what their array
	// takes.
	Held func(cells []P) int64

	// Clone copies from into into, which has its length: a change of one is not
	// seen in the other afterwards.
	Clone func(into, from []P)
}

// Kind is everything that pane state needs of a kind of partial. It is not
// changed after it was made and may be used by several goroutines at once.
// columngen makes one for every kind of the package, from the Traits that stand
// beside its type.
type Kind[P any] struct {
	Traits
	Column[P]
	Memory[P]
}

// newKind is a kind whose partials take their own size, where t does not say
// what they are expected to point to.
func newKind[P any](t Traits, c Column[P], m Memory[P]) *Kind[P] {
	if t.CellBytes == 0 {
		var zero P
		t.CellBytes = int64(unsafe.Sizeof(zero))
	}
	return &Kind[P]{Traits: t, Column: c, Memory: m}
}

// Flat reports whether partials of the kind hold no pointer, so that the memory
// of an array follows from its length alone.
func (k *Kind[P]) Flat() bool { return k.Held == nil }

// Copy makes into, which has the length of from, hold the same partials without
// sharing memory with them.
func (k *Kind[P]) Copy(into, from []P) {
	if k.Clone != nil {
		k.Clone(into, from)
		return
	}
	copy(into, from)
}

// Bytes is how much memory an array of partials takes, with what they point to.
func (k *Kind[P]) Bytes(cells []P) int64 {
	var zero P
	n := int64(cap(cells)) * int64(unsafe.Sizeof(zero))
	if k.Held != nil {
		n += k.Held(cells)
	}
	return n
}
