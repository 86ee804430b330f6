package ingest

import (
	"fmt"
	"sync/atomic"
)

// budget bounds the bytes of requests under way, across all regions: a region
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
type budget struct {
	max  int64
	used atomic.Int64
	over atomic.Bool // a request has gone beyond
}

// overdraft is what a request may always take alone: of a small budget the double
// would not hold a usual one.
const overdraft = 32 << 20

// most is what may be used at all, and so what one request may take.
func (b *budget) most() int64 { return 2*b.max + overdraft }

// take reserves n bytes for a request, or returns false. over says that it is the
// one that may go beyond, and whether it is that afterwards.
func (b *budget) take(n int64, over *bool) bool {
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
func (b *budget) within(over *bool) {
	if *over {
		*over = false
		b.over.Store(false)
	}
}

// give returns n bytes.
func (b *budget) give(n int64) { b.used.Add(-n) }

// What requests count against the budget.
const (
	// requestBytes is for a request as such: its connection's buffers, the
	// goroutine's stack and the memory that decoding begins with.
	requestBytes = 16 << 10

	// bytesPerSample is about what one sample takes from its decoding to its
	// commit: 32 bytes in the batch, 32 in the draft, 16 in a segment's arrays,
	// and what slices that grow have to spare.
	bytesPerSample = 96

	// bytesPerPayload is what a native histogram takes beside its bytes: in the
	// batch's, the draft's and the segment's lists.
	bytesPerPayload = 72

	// batchStep is how much is reserved at once for batches that grow, so that
	// most series of a request cost no more than a comparison.
	batchStep = 64 << 10
)

// Reserve counts n bytes that the request holds against the ingester's memory
// until Free, or until it ends. ErrBusy says that there is no room, ErrTooLarge that
// there never is for a request of its size.
func (in *Intake) Reserve(n int64) error {
	if !in.g.budget.take(n, &in.over) {
		if most := in.g.budget.most(); in.held+n > most {
			return fmt.Errorf("%w: %d bytes at most", ErrTooLarge, most)
		}
		return ErrBusy
	}
	in.held += n
	return nil
}

// Free gives back what Reserve has counted.
func (in *Intake) Free(n int64) {
	in.held -= n
	in.g.budget.give(n)
	if in.over && in.g.budget.used.Load() <= in.g.budget.max {
		in.g.budget.within(&in.over)
	}
}

// charge counts n bytes of the request's batches.
func (in *Intake) charge(n int64) error {
	if in.spare < n {
		step := max(n, batchStep)
		if err := in.Reserve(step); err != nil {
			return err
		}
		in.spare += step
		in.charged += step
	}
	in.spare -= n
	return nil
}
