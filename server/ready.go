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

// readiness is whether writes succeed now: by the last flush, or, where that is too
// long ago, by a write of its own, made by whoever asks. It may be used by several
// goroutines at once.
type readiness struct {
	probe func(context.Context) error
	now   func() time.Time

	probing sync.Mutex // one probe at a time: those who wait for it use what it found

	mu  sync.Mutex
	err error     // of the last write
	at  time.Time // of it
}

// wrote notes how a write went. What speaks against the content, or is the caller's
// doing, says nothing about the database.
func (r *readiness) wrote(err error) {
	if err != nil && !errors.Is(err, sequence.ErrUnavailable) && !errors.Is(err, sequence.ErrCommitUnknown) {
		return
	}
	r.note(err)
}

// note keeps the outcome of a write for those who ask.
func (r *readiness) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.at = err, r.now()
}

// last is how the last write went, false when that is too long ago.
func (r *readiness) last() (fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.at.IsZero() && r.now().Sub(r.at) < freshFor, r.err
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
	r.note(err)
	return err
}

// watchedStore is a store whose flushes tell how writing goes.
type watchedStore struct {
	IngestStore
	ready *readiness
}

// BeginFlush is IngestStore.BeginFlush.
func (s watchedStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.IngestStore.BeginFlush(ctx, region, id)
	if err != nil {
		s.ready.wrote(err)
		return nil, err
	}
	return watchedFlush{tx, s.ready}, nil
}

// watchedFlush is a flush that tells how it ends.
type watchedFlush struct {
	ingest.FlushTx
	ready *readiness
}

// Commit is FlushTx.Commit.
func (f watchedFlush) Commit(ctx context.Context, segments []segment.Segment) error {
	err := f.FlushTx.Commit(ctx, segments)
	f.ready.wrote(err)
	return err
}
