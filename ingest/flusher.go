package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence"
)

// The goroutine of a region, which writes its drafts.
// Before: a draft with the batches of some requests.
// After: each of them is finished, with the outcome of the transaction that held its
// samples, and the draft is the buffer's again.
//
// A flush that the database cannot take now is not kept for later. Its senders are told
// and send again: they hold the samples, and must do so anyway when this process ends.

// flusher writes one region, one flush after another: a region's commits are in
// order anyway (I1), so a second one at a time would only wait for its lock.
// Everything in it belongs to its goroutine; the buffer has a mutex of its own.
type flusher struct {
	region  sequence.Region
	buf     *buffer
	known   *known
	builder builder
	all     []*registry.Series // every series of the region that is remembered

	// What the flushers of all regions share.
	cfg      *Config
	store    Store
	log      *slog.Logger
	metrics  *metrics
	registry *registry.Registry
	traffic  *traffic
	clock    *dbClock

	// restores grows when a flusher finds that committed flushes have
	// disappeared: then every region's caches are to be dropped. forgotten is
	// what it was when known was last made empty for that.
	restores  *atomic.Uint64
	forgotten uint64

	rename bool // the names of the next draft are looked up, known or not
}

// run flushes what the buffer takes in until the buffer is closed and empty.
// work bounds the flushes themselves and outlives ctx, so that what is
// buffered when ctx ends is still written.
func (f *flusher) run(ctx, work context.Context) {
	idle := time.NewTicker(max(f.cfg.SeriesIdle/evictionsPerIdle, time.Millisecond))
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			f.buf.close() // nothing comes in any more
			for d := f.buf.take(); d != nil; d = f.buf.take() {
				f.flush(work, d)
			}
			return
		case <-idle.C:
			f.evict(time.Now())
		case <-f.buf.ready:
			f.buf.linger(ctx, f.cfg.Linger, f.cfg.LingerSamples, f.traffic)
			f.traffic.forget(time.Now())
			if d := f.buf.take(); d != nil {
				f.flush(work, d)
			}
		}
	}
}

// flush writes a draft and finishes each of its batches exactly once, on every path:
// a request waits until all of its batches are finished, so a batch that is forgotten
// would let it wait without end, and one that is finished twice would answer it too
// early. If the database refuses the content, every request's batch is written by
// itself, so that only the request at fault is refused.
func (f *flusher) flush(ctx context.Context, d *draft) {
	commit, err := f.write(ctx, d)
	if errors.Is(err, sequence.ErrBadContent) && len(d.batches) > 1 {
		f.log.Warn("database refused a flush; writing its requests one by one",
			"region", f.region, "requests", len(d.batches), "err", err)
		one := new(draft)
		for _, b := range d.batches {
			one.remake([]*batch{b})
			commit, err := f.write(ctx, one)
			f.finish(b, err)
			f.hint(commit)
		}
	} else {
		for _, b := range d.batches {
			f.finish(b, err)
		}
		f.hint(commit)
	}
	if err != nil {
		f.log.Warn("flush was not written", "region", f.region, "samples", len(d.samples), "err", err)
	}
	f.forgetUnborn(d)
	f.buf.recycle(d)
}

// finish counts a batch and ends its part of its request. The batch is the pool's
// afterwards, so it is counted before.
func (f *flusher) finish(b *batch, err error) {
	if err == nil {
		f.metrics.samples.Add(float64(len(b.samples)))
		f.metrics.histograms.Add(float64(len(b.payloads)))
	} else if errors.Is(err, sequence.ErrBadContent) {
		f.metrics.refuse(refusal.ByDatabase, len(b.samples))
	}
	b.finish(err)
}

// hint passes on a commit, if there was one. It comes after the answers: nobody waits
// for a hint, and what is lost of it costs only latency (I5).
func (f *flusher) hint(c *Commit) {
	if c != nil && f.cfg.OnCommit != nil {
		f.cfg.OnCommit(*c)
	}
}
