package round

// Bounds that tests reach.
const (
	DirtyPerRound  = dirtyPerRound
	SmallGroup     = smallGroup
	StoreIdleAfter = storeIdleAfter
)

// SetMaxGap changes how many windows of a gap are computed, and gives back a function
// that undoes it.
func SetMaxGap(n int64) (undo func()) {
	before := maxGap
	maxGap = n
	return func() { maxGap = before }
}
