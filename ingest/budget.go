package ingest

import "sync/atomic"

// budget bounds the bytes of requests under way, across all regions: a region
// that stands still fills it, which is right, because most requests touch
// every region. Bytes are counted from before the first byte of a request is read
// to the commit of its last batch.
type budget struct {
	max  int64
	used atomic.Int64
}

// take reserves n bytes for a request that has reserved own bytes already, or
// returns false. A request may exceed the budget when nothing else is under way,
// else a large one could never be accepted.
func (b *budget) take(n, own int64) bool {
	if used := b.used.Add(n); used > b.max && used > own+n {
		b.used.Add(-n)
		return false
	}
	return true
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
// until Free, or until it ends. ErrBusy says that there is no room.
func (in *Intake) Reserve(n int64) error {
	if !in.g.budget.take(n, in.held) {
		return ErrBusy
	}
	in.held += n
	return nil
}

// Free gives back what Reserve has counted.
func (in *Intake) Free(n int64) {
	in.held -= n
	in.g.budget.give(n)
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
