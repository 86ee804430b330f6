package ingest

import (
	"errors"
	"sync"
	"sync/atomic"

	"laminar/sequence"
)

// request is one HTTP request that waits for the commits of the regions it
// touched. Its sender is answered when none is pending (I2).
type request struct {
	pending atomic.Int32 // batches that have not finished
	done    chan struct{}

	mu      sync.Mutex
	written tally    // samples and histograms of batches that have committed
	err     error    // a failure that sending again may cure; the first one
	refused refusals // what sending again cannot cure
}

func newRequest() *request { return &request{done: make(chan struct{})} }

// refuse takes note of samples that a flush had to leave out.
func (r *request) refuse(reason Reason, n int, describe func() example) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused.add(reason, n, describe)
}

// batch is what one request brought for one region, in the order it came. The
// request's goroutine fills it; once it is in a buffer the region's flusher
// owns it and gives it back to the pool, whether or not the sender still
// waits.
type batch struct {
	region  sequence.Region
	samples []batchSample
	zeros   []startZero // in the order of the samples they belong to
	// histograms says which of the samples are native histograms, ascending.
	histograms []batchHistogram
	arena      []byte // what their payloads stand in
	request    *request
	budget     *budget // where held is given back
	held       int64   // bytes the batch counts against the budget
}

type batchSample struct {
	series *knownSeries
	t      int64 // milliseconds since the epoch
	v      float64
}

// startZero is a zero that may stand at the start timestamp of a sample. The
// flush decides: only it knows the newest sample of the series.
type startZero struct {
	sample int   // index of the sample in the batch
	t      int64 // milliseconds since the epoch, before the sample's
}

// batchHistogram is a native histogram: of a sample it replaces the value.
type batchHistogram struct {
	sample int // index of the sample in the batch
	nativeHistogram
}

// nativeHistogram is a histogram as it is stored, see package nativehist.
type nativeHistogram struct {
	sum     float64
	payload []byte
}

// addHistogram appends a histogram whose payload stands in the arena.
func (b *batch) addHistogram(s *knownSeries, t int64, sum float64, payload []byte) {
	b.histograms = append(b.histograms, batchHistogram{len(b.samples), nativeHistogram{sum, payload}})
	b.samples = append(b.samples, batchSample{series: s, t: t})
}

// takeHistogram takes the histogram that a sample is from the front of
// histograms; nil for a float.
func takeHistogram(histograms *[]batchHistogram, sample int) *nativeHistogram {
	if h := *histograms; len(h) > 0 && h[0].sample == sample {
		*histograms = h[1:]
		native := h[0].nativeHistogram
		return &native
	}
	return nil
}

// tally counts the batch's samples and histograms.
func (b *batch) tally() tally {
	return tally{samples: len(b.samples) - len(b.histograms), histograms: len(b.histograms)}
}

// bytesPerSample is about what one sample takes from its decoding to its
// commit: in the batch, in the draft and in a segment's arrays.
const bytesPerSample = 72

var batchPool = sync.Pool{New: func() any { return new(batch) }}

func newBatch(region sequence.Region) *batch {
	b := batchPool.Get().(*batch)
	b.region, b.samples, b.zeros = region, b.samples[:0], b.zeros[:0]
	b.histograms, b.arena = b.histograms[:0], b.arena[:0]
	return b
}

// bytes is what the batch counts against the budget. The payloads of histograms
// are in the batch, copied into the database's buffers, and once more while they
// are sent.
func (b *batch) bytes() int64 {
	return int64(len(b.samples)+len(b.zeros))*bytesPerSample + 3*int64(len(b.arena))
}

// leaveOut removes the samples for which gone returns true, and their zeros.
func (b *batch) leaveOut(gone func(*batchSample) bool) {
	samples, zeros, rest := b.samples[:0], b.zeros[:0], b.zeros
	hists, from := b.histograms[:0], b.histograms
	for i := range b.samples {
		smp := b.samples[i]
		z, has := takeZero(&rest, i)
		h := takeHistogram(&from, i)
		if gone(&smp) {
			continue
		}
		if has {
			zeros = append(zeros, startZero{sample: len(samples), t: z})
		}
		if h != nil {
			hists = append(hists, batchHistogram{len(samples), *h})
		}
		samples = append(samples, smp)
	}
	clear(b.samples[len(samples):])
	clear(b.histograms[len(hists):])
	b.samples, b.zeros, b.histograms = samples, zeros, hists
}

// takeZero takes the zero of a sample from the front of zeros, if it has one.
func takeZero(zeros *[]startZero, sample int) (t int64, ok bool) {
	if z := *zeros; len(z) > 0 && z[0].sample == sample {
		*zeros = z[1:]
		return z[0].t, true
	}
	return 0, false
}

// release gives the batch's memory back for the next request.
func (b *batch) release() {
	clear(b.samples) // forgotten series must not be held by the pool
	clear(b.histograms)
	if cap(b.arena) > maxPooledBytes {
		b.arena = nil
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
		r.refuse(Refused, len(b.samples), func() example {
			ex := example{detail: err.Error()}
			if len(b.samples) > 0 {
				ex.series = b.samples[0].series.spell()
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
	b.budget.give(b.held)
	b.release()
	if r.pending.Add(-1) == 0 {
		close(r.done)
	}
}

// budget bounds the bytes of requests under way, across all regions: a region
// that stands still fills it, which is right, because most requests touch
// every region.
type budget struct {
	max  int64
	used atomic.Int64
}

// take reserves n bytes, or returns false. A single request may exceed the
// budget when nothing else is under way, else it could never be accepted.
func (b *budget) take(n int64) bool {
	if used := b.used.Add(n); used > b.max && used > n {
		b.used.Add(-n)
		return false
	}
	return true
}

// give returns n bytes.
func (b *budget) give(n int64) { b.used.Add(-n) }
