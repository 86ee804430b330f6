package partial

// Column is what is done to many partials of one kind at once: one per slot,
// in arrays indexed by slot. columngen writes these loops for every kind of the
// package (kinds_gen.go): in a generic loop Add and Merge would be called
// through a dictionary, neither directly nor inlined, which costs more than
// their arithmetic.
type Column[P any] struct {
	// Add folds values[i] at times[i] into cells[slots[i]], in this order. The
	// three arrays have one length and every slot is below len(cells).
	Add func(cells []P, slots []int32, times []int64, values []float64)

	// Merge joins later[i] to into[i]. len(later) <= len(into).
	Merge func(into, later []P)
}

//go:generate go run ./columngen kinds_gen.go
