package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// freshFor is how long the outcome of a write says whether the next one will succeed.
// With the time that a probe may take it is what an answer can lag behind the truth.
const freshFor = 2 * time.Second

// probeFor bounds a write whose only purpose is to see whether one succeeds.
const probeFor = 2 * time.Second

// refusedFor is how long a flush that the database has refused counts although a probe
// succeeds: a probe is not all that a flush is. If nobody sends until then, one that is
// sent next is to be tried.
const refusedFor = 10 * time.Second

// hungAfter is after which time a flush that is still under way means that writes do not
// get through. A checkpoint on a slow disk may hold one up for some seconds.
const hungAfter = 10 * time.Second

// readiness is whether writes succeed now: by the last flush, or, where that is too
// long ago, by a write of its own, made by whoever asks; and by flushes that hang. It may
// be used by several goroutines at once.
type readiness struct {
	probe func(context.Context) error
	now   func() time.Time

	probing sync.Mutex // one probe at a time: those who wait for it use what it found

	mu        sync.Mutex
	err       error     // of the last write
	at        time.Time // of it
	refused   error     // of the last flush, if the database refused it
	refusedAt time.Time
	underWay  map[*watchedFlush]time.Time // flushes, and when they began
}

// wrote notes how a flush went. What speaks against the content, is the caller's doing,
// or is mended by reading again, says nothing about the database.
func (r *readiness) wrote(err error) {
	for _, other := range []error{sequence.ErrBadContent, sequence.ErrMetricGone, sequence.ErrHistoryChanged, context.Canceled} {
		if errors.Is(err, other) {
			return
		}
	}
	r.note(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused, r.refusedAt = nil, r.at
	if err != nil && !errors.Is(err, sequence.ErrUnavailable) && !errors.Is(err, sequence.ErrCommitUnknown) {
		r.refused = fmt.Errorf("write to the database: %w", err)
	}
}

// note keeps the outcome of a write for those who ask.
func (r *readiness) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.at = err, r.now()
}

// last is how the last write went, false when that is too long ago. A flush that hangs
// comes first: others may well get through.
func (r *readiness) last() (fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, began := range r.underWay {
		if took := r.now().Sub(began); took >= hungAfter {
			return true, fmt.Errorf("%w: a commit has been under way for %s", sequence.ErrUnavailable, took.Round(time.Second))
		}
	}
	return !r.at.IsZero() && r.now().Sub(r.at) < freshFor, r.err
}

// probed keeps what a probe has found, and tells what that comes to.
func (r *readiness) probed(err error) error {
	r.mu.Lock()
	if err == nil && r.now().Sub(r.refusedAt) < refusedFor {
		err = r.refused
	}
	r.mu.Unlock()
	r.note(err)
	return err
}

// check says why writes cannot succeed now, nil when they can. However many ask, and
// whatever the outcome is, there is one probe in freshFor: strangers may ask.
func (r *readiness) check(ctx context.Context) error {
	if fresh, err := r.last(); fresh {
		return err
	}
	r.probing.Lock()
	defer r.probing.Unlock()
	if fresh, err := r.last(); fresh {
		return err
	}
	// It goes on when this one leaves, because the outcome is for all who ask.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeFor)
	defer cancel()
	err := r.probe(ctx)
	if err != nil && !errors.Is(err, sequence.ErrUnavailable) {
		err = fmt.Errorf("look whether the database can be written to: %w", err)
	}
	return r.probed(err)
}

// watchedStore is a store whose flushes tell how writing goes.
type watchedStore struct {
	IngestStore
	ready *readiness
}

// BeginFlush is IngestStore.BeginFlush.
func (s watchedStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	f := &watchedFlush{ready: s.ready}
	s.ready.begin(f)
	tx, err := s.IngestStore.BeginFlush(ctx, region, id)
	if err != nil {
		s.ready.end(f)
		s.ready.wrote(err)
		return nil, err
	}
	f.FlushTx = tx
	return f, nil
}

// watchedFlush is a flush that tells how it ends.
type watchedFlush struct {
	ingest.FlushTx
	ready *readiness
}

// Commit is FlushTx.Commit.
func (f *watchedFlush) Commit(ctx context.Context, segments []segment.Segment) error {
	err := f.FlushTx.Commit(ctx, segments)
	f.ready.end(f)
	f.ready.wrote(err)
	return err
}

// Rollback is FlushTx.Rollback.
func (f *watchedFlush) Rollback(ctx context.Context) error {
	defer f.ready.end(f)
	return f.FlushTx.Rollback(ctx)
}

// begin notes that a flush is under way, until end.
func (r *readiness) begin(f *watchedFlush) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay == nil {
		r.underWay = map[*watchedFlush]time.Time{}
	}
	r.underWay[f] = r.now()
}

// end is begin's counterpart. It may be called again.
func (r *readiness) end(f *watchedFlush) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.underWay, f)
}
