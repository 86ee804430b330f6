package budget

import (
	"errors"
	"sync/atomic"
)

var (
	// ErrBusy says that too many requests are under way, or those that are take too much
	// memory.
	ErrBusy = errors.New("too much is under way")

	// ErrTooLarge says that the request takes more memory than any may. Sending it again
	// cannot help.
	ErrTooLarge = errors.New("request takes too much memory when it is read")
)

// Budget bounds the bytes of requests under way, across all regions: a region
// that stands still fills it, which is right, because most requests touch
// every region. Bytes are counted from before the first byte of a request is read
// to the commit of its last batch.
//
// Requests that need more than is left are refused. A request that is larger than
// the budget, or that competes with many others, would be refused again and again.
// So one request at a time may go beyond the budget, by as much again and overdraft,
// whatever else is under way.
//
//	used <= max                    but for the one that is over
//	used <= 2 * max + overdraft    always
type Budget struct {
	max  int64
	used atomic.Int64
	over atomic.Bool // a request has gone beyond
}

// New makes a budget of so many bytes.
func New(bytes int64) *Budget { return &Budget{max: bytes} }

// Used is how many bytes requests hold.
func (b *Budget) Used() int64 { return b.used.Load() }

// overdraft is what a request may always take alone: of a small budget the double
// would not hold a usual one.
const overdraft = 32 << 20

// most is what may be used at all, and so what one request may take.
func (b *Budget) most() int64 { return 2*b.max + overdraft }

// take reserves n bytes for a request, or returns false. over says that it is the
// one that may go beyond, and whether it is that afterwards.
func (b *Budget) take(n int64, over *bool) bool {
	used := b.used.Add(n)
	if used <= b.max {
		return true
	}
	if used <= b.most() && (*over || b.over.CompareAndSwap(false, true)) {
		*over = true
		return true
	}
	b.used.Add(-n)
	return false
}

// within ends a request's right to go beyond the budget.
func (b *Budget) within(over *bool) {
	if *over {
		*over = false
		b.over.Store(false)
	}
}

// Give returns n bytes.
func (b *Budget) Give(n int64) { b.used.Add(-n) }
