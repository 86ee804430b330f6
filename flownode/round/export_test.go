package round

import (
	"strconv"

	"laminar/flownode/progress"
)

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

// ForgetWith gives numbers to n series of results of the last flow, and then begins a
// round of the flows as far as numbers are taken back.
func (c *Cascade) ForgetWith(flows []*Flow, n int) {
	feed := c.records.NewFeed(&flows[len(flows)-1].Flow)
	feed.Begin(0)
	rows := make([]progress.Row, n)
	for i := range rows {
		rows[i].Columns = []string{strconv.Itoa(i)}
	}
	feed.Window(60_000, true, rows, nil)
	c.forget(flows)
}
