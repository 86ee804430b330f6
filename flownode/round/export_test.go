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

// SetFewResults changes how many series of results may always have a number, and gives
// back a function that undoes it.
func SetFewResults(n int) (undo func()) {
	before := fewResults
	fewResults = n
	return func() { fewResults = before }
}

// Numbered is how many series of results have a number.
func (c *Cascade) Numbered() int { return c.records.Len() }
