package ingest

import (
	"errors"
	"sync"
	"sync/atomic"

	"laminar/ingest/budget"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence"
)

// Tally counts what a request brings, or what of it is written. Floats are its
// samples.
type Tally struct{ Samples, Histograms, Exemplars int }

func (n *Tally) add(other Tally) {
	n.Samples += other.Samples
	n.Histograms += other.Histograms
	n.Exemplars += other.Exemplars
}

// A request on its way through the regions.
//
// It is divided into batches, one per region it touches. Each batch is finished once
// by its region's flusher, and the last one to finish wakes the request. pending
// counts the batches that are not finished, plus one while batches are still being
// handed over: so it cannot reach 0 early.
//
//	pending == batches not finished + 1 while they are handed over
//	pending == 0    once only, and then done is closed and nothing changes any more
//
// Who has seen done closed reads written, err and refused without the mutex.

// request is one request that waits for the commits of the regions it
// touched. Its sender is answered when none is pending (I2).
type request struct {
	pending atomic.Int32 // batches that have not finished
	done    chan struct{}

	mu      sync.Mutex
	written Tally             // samples and histograms of batches that have committed
	err     error             // a failure that sending again may cure; the first one
	refused refusal.Collected // what sending again cannot cure
}

func newRequest() *request { return &request{done: make(chan struct{})} }

// refuse notes n samples that a flush had to leave out.
func (r *request) refuse(reason refusal.Reason, n int, describe func() refusal.Example) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused.Add(reason, n, describe)
}

// batch is what one request brought for one region, in the order it came. The
// request's goroutine fills it; once it is in a buffer the region's flusher
// owns it and gives it back to the pool, whether or not the sender still
// waits. So a sender that goes away loses its answer, never its samples.
type batch struct {
	region   sequence.Region
	samples  []batchSample
	starts   []int64  // start timestamps that some of the samples have, milliseconds since the epoch
	payloads [][]byte // of those samples that are native histograms; they stand in arena
	arena    []byte
	request  *request
	budget   *budget.Budget // where held is given back
	held     int64          // bytes the batch counts against the budget
}

// batchSample is one sample of a batch, a float or a native histogram.
type batchSample struct {
	series *registry.Series
	t      int64   // milliseconds since the epoch
	v      float64 // of a native histogram its sum

	// payload says that the sample is a native histogram: the rest of it is
	// payloads[payload-1]. It is 0 for a float.
	payload int32

	// start says that the sample has a start timestamp, starts[start-1], before
	// t. Whether a zero stands there is decided by the flush: only it knows the
	// newest sample of the series. It is 0 where there is none.
	start int32
}

// What samples count against the budget.
const (
	// bytesPerSample is about what one sample takes from its decoding to its
	// commit: 32 bytes in the batch, 32 in the draft, 16 in a segment's arrays,
	// and what slices that grow have to spare.
	bytesPerSample = 96

	// bytesPerPayload is what a native histogram takes beside its bytes: in the
	// batch's, the draft's and the segment's lists.
	bytesPerPayload = 72
)

// addPayload appends the payload of a native histogram, which stands in the
// arena, and returns its number for the sample.
func (b *batch) addPayload(payload []byte) int32 {
	b.payloads = append(b.payloads, payload)
	return int32(len(b.payloads))
}

// addStart appends a start timestamp and returns its number for the sample.
func (b *batch) addStart(t int64) int32 {
	b.starts = append(b.starts, t)
	return int32(len(b.starts))
}

// tally counts the batch's samples and histograms.
func (b *batch) tally() Tally {
	return Tally{Samples: len(b.samples) - len(b.payloads), Histograms: len(b.payloads)}
}

// What of a batch's memory is kept for later requests, at most.
const (
	maxPooledArena   = 4 << 20 // bytes of payloads
	maxPooledSamples = 1 << 16
)

var batchPool = sync.Pool{New: func() any { return new(batch) }}

func newBatch(region sequence.Region) *batch {
	b := batchPool.Get().(*batch)
	b.region, b.samples, b.starts = region, b.samples[:0], b.starts[:0]
	b.payloads, b.arena = b.payloads[:0], b.arena[:0]
	return b
}

// bytes is what the batch counts against the budget. The payloads of histograms
// are in the batch, copied into the database's buffers, and once more while they
// are sent.
func (b *batch) bytes() int64 {
	return int64(len(b.samples)+len(b.starts))*bytesPerSample + int64(len(b.payloads))*bytesPerPayload + 3*int64(len(b.arena))
}

// leaveOut removes the samples for which gone returns true, with their start
// timestamps and payloads.
func (b *batch) leaveOut(gone func(*batchSample) bool) {
	samples, starts, payloads := b.samples[:0], b.starts[:0], b.payloads[:0]
	for _, smp := range b.samples {
		if gone(&smp) {
			continue
		}
		if smp.start != 0 {
			starts = append(starts, b.starts[smp.start-1])
			smp.start = int32(len(starts))
		}
		if smp.payload != 0 {
			payloads = append(payloads, b.payloads[smp.payload-1])
			smp.payload = int32(len(payloads))
		}
		samples = append(samples, smp)
	}
	clear(b.samples[len(samples):])
	clear(b.payloads[len(payloads):])
	b.samples, b.starts, b.payloads = samples, starts, payloads
}

// release gives the batch's memory back for the next request.
func (b *batch) release() {
	clear(b.samples) // forgotten series must not be held by the pool
	clear(b.payloads)
	if cap(b.arena) > maxPooledArena {
		b.arena = nil
	}
	if cap(b.samples) > maxPooledSamples {
		b.samples, b.starts, b.payloads = nil, nil, nil
	}
	b.request, b.budget, b.held = nil, nil, 0
	batchPool.Put(b)
}

// finish ends the batch's part of its request: with nil when its samples are
// durable, with sequence.ErrBadContent when the database refuses them for
// good, with any other error when sending them again may help.
func (b *batch) finish(err error) {
	r := b.request
	switch {
	case err == nil:
		r.mu.Lock()
		r.written.add(b.tally())
		r.mu.Unlock()
	case errors.Is(err, sequence.ErrBadContent):
		r.refuse(refusal.ByDatabase, len(b.samples), func() refusal.Example {
			ex := refusal.Example{Detail: err.Error()}
			if len(b.samples) > 0 {
				ex.Series = b.samples[0].series.Spell()
			}
			return ex
		})
	default:
		r.mu.Lock()
		if r.err == nil {
			r.err = err
		}
		r.mu.Unlock()
	}
	b.budget.Give(b.held)
	b.release()
	if r.pending.Add(-1) == 0 {
		close(r.done)
	}
}

// batches is what one request has by region - 1, nil where nothing came.
type batches []*batch

// of is the batch for a region, which is made if there is none.
func (bs batches) of(region sequence.Region) *batch {
	b := bs[region-1]
	if b == nil {
		b = newBatch(region)
		bs[region-1] = b
	}
	return b
}

// bytes is what all batches together count against the budget.
func (bs batches) bytes() (n int64) {
	for _, b := range bs {
		if b != nil {
			n += b.bytes()
		}
	}
	return n
}

// take hands over the batch for a region, nil when nothing came for it.
func (bs batches) take(region sequence.Region) *batch {
	b := bs[region-1]
	bs[region-1] = nil
	if b != nil && len(b.samples) == 0 {
		b.release()
		return nil
	}
	return b
}

// release gives the memory of all batches back.
func (bs batches) release() {
	for i, b := range bs {
		if b != nil {
			b.release()
			bs[i] = nil
		}
	}
}
