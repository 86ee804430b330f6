package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"laminar/ingest/refusal"
	"laminar/sequence"
)

// write writes a draft in one transaction, beginning again once when history turns
// out to have changed: by then every cache is empty, and the second attempt reads
// what it needs. The commit is nil when nothing needed to be written.
//
// Before: the draft is the flusher's, with D3. After: all of it is durable, or none
// of it. With sequence.ErrCommitUnknown it is not known which, and nothing of it is
// remembered.
func (f *flusher) write(ctx context.Context, d *draft) (*Commit, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.FlushTimeout)
	defer cancel()
	began := time.Now()
	c, err := f.attempt(ctx, d)
	switch {
	case errors.Is(err, ErrTooLongAgo):
		c, err = f.attempt(ctx, d)
	case errors.Is(err, sequence.ErrMetricGone):
		f.rename = true
		c, err = f.attempt(ctx, d)
	case errors.Is(err, ErrForgotten):
		f.forgotten = f.restores.Add(1) // the other regions forget too
		f.metrics.historyChanges.Inc()
		f.log.Warn("committed flushes have disappeared; every cache was dropped", "region", f.region, "err", err)
		c, err = f.attempt(ctx, d)
	}
	f.metrics.flush(time.Since(began), c, err)
	return c, err
}

// attempt is one try at writing a draft. The order of its steps is its meaning:
//
//	name metrics    before the lock: it is a transaction of its own
//	lock            the region's row; from here on no other writer moves it (I1)
//	catch up        what is known is made true at this position (O1, O2)
//	refuse, settle  by the clock and the retention that the flush has read
//	find series     those without an id are created, in this transaction
//	inject, build   which samples are ordered is decided here, and only here
//	commit
//	apply           what was learnt becomes known (O3)
//
// What it learns is kept only if it commits: series that were found are made
// unknown again on every other way out.
func (f *flusher) attempt(ctx context.Context, d *draft) (*Commit, error) {
	if now := f.restores.Load(); now != f.forgotten {
		f.known.forget()
		f.forgotten = now
	}
	if err := f.nameMetrics(ctx, d); err != nil {
		return nil, err
	}
	id := sequence.FlushID(uuid.New())
	tx, err := f.store.BeginFlush(ctx, f.region, id)
	if err != nil {
		return nil, fmt.Errorf("begin a flush of region %d: %w", f.region, err)
	}
	// Ends the transaction on every way out but a commit; a rollback that
	// fails leaves a broken connection, which ends it as well.
	defer func() { _ = tx.Rollback(ctx) }()

	fl := tx.Flush()
	f.clock.learn(fl.Now, fl.Earliest)
	missed, err := f.known.catchUp(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("flush region %d: %w", f.region, err)
	}
	if missed {
		f.metrics.missed.Inc()
	}
	bounds := refusal.TimesAt(fl.Now, fl.Earliest, f.cfg.Limits)
	d.refuseOutside(bounds, f.metrics.refuse)
	d.settle(0)
	found, err := f.findSeries(ctx, tx, d)
	committed := false
	defer func() {
		if !committed {
			for _, s := range found {
				f.known.unfound(s)
			}
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("flush region %d: %w", f.region, err)
	}
	if f.known.skipped > 0 && d.doubtfulZeros() {
		if err := f.known.readSkipped(ctx, tx, d, found); err != nil {
			return nil, fmt.Errorf("flush region %d: %w", f.region, err)
		}
	}
	zeros, err := d.inject(bounds.Earliest)
	if err != nil {
		return nil, fmt.Errorf("flush region %d: %w", f.region, err)
	}
	segs := f.builder.build(d, fl)
	if f.known.skipped > 0 && f.builder.doubtful {
		if err := f.known.readSkipped(ctx, tx, d, found); err != nil {
			return nil, fmt.Errorf("flush region %d: %w", f.region, err)
		}
		segs = f.builder.build(d, fl)
	}
	f.metrics.repeats.Add(float64(f.builder.repeats))
	if len(segs) == 0 {
		return nil, nil // all of it is in the database already
	}
	if err := tx.Commit(ctx, segs); err != nil {
		err = fmt.Errorf("commit sequence %d of region %d: %w", fl.Seq, f.region, err)
		if err = f.resolve(ctx, fl, err); err != nil {
			return nil, err
		}
	}
	committed = true
	f.known.apply(fl, d, found, time.Now().UnixMilli())
	f.metrics.zeros.Add(float64(zeros))
	f.metrics.unordered.Add(float64(f.builder.unordered))
	return &Commit{
		Region: f.region, Seq: fl.Seq, Metrics: f.builder.metrics(),
		MinT: f.builder.minT, MaxT: f.builder.maxT, Samples: f.builder.written,
	}, nil
}

// resolve asks whether a commit in doubt has happened, for as long as the waiting
// requests can be kept. It returns nil if the flush is committed. If no answer
// comes, nothing is remembered of the flush: if it did commit, the next one finds it
// as if another writer had written it (O3).
//
// The question takes the region's lock, so a commit that is still under way has
// ended when it is answered.
func (f *flusher) resolve(ctx context.Context, fl sequence.Flush, err error) error {
	if !errors.Is(err, sequence.ErrCommitUnknown) {
		return err
	}
	// The flush's own time may be what ran out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.ResolveTimeout)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		done, askErr := f.store.Resolve(ctx, f.region, fl.Seq, fl.ID)
		switch {
		case askErr == nil && done:
			return nil
		case askErr == nil:
			return fmt.Errorf("connection lost, sequence %d of region %d was not committed: %w", fl.Seq, f.region, sequence.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (asked for %s: %w)", err, f.cfg.ResolveTimeout, askErr)
		case <-time.After(wait):
		}
	}
}
