package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// evictionsPerIdle is how often idle series are looked for within
// Config.SeriesIdle.
const evictionsPerIdle = 8

// flusher writes one region. Everything in it belongs to its goroutine; the
// buffer has a mutex of its own.
type flusher struct {
	*Ingester
	region  sequence.Region
	buf     *buffer
	known   *known
	builder builder
	all     []*series // every series of the region that is remembered
	history uint64    // Ingester.history when known was last made empty
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
			f.buf.linger(ctx, f.cfg.Linger, f.cfg.LingerSamples)
			if d := f.buf.take(); d != nil {
				f.flush(work, d)
			}
		}
	}
}

// flush writes a draft and finishes its batches. When the database refuses the
// content, every request's batch is written by itself, so only the guilty one
// suffers.
func (f *flusher) flush(ctx context.Context, d *draft) {
	commit, err := f.write(ctx, d)
	if errors.Is(err, sequence.ErrBadContent) && len(d.batches) > 1 {
		f.log.Warn("database refused a flush; writing its requests one by one",
			"region", f.region, "requests", len(d.batches), "error", err)
		one := new(draft)
		for _, b := range d.batches {
			one.refill([]*batch{b})
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
		f.log.Warn("flush was not written", "region", f.region, "samples", len(d.samples), "error", err)
	}
	f.buf.recycle(d)
}

func (f *flusher) finish(b *batch, err error) {
	if err == nil {
		f.metrics.samples.Add(float64(len(b.samples)))
	} else if errors.Is(err, sequence.ErrBadContent) {
		f.metrics.refuse(Refused, len(b.samples))
	}
	b.finish(err)
}

// hint passes on a commit, if there was one.
func (f *flusher) hint(c *Commit) {
	if c != nil && f.cfg.OnCommit != nil {
		f.cfg.OnCommit(*c)
	}
}

// write writes a draft in one transaction, beginning again when history turns
// out to have changed. The commit is nil when nothing needed to be written.
func (f *flusher) write(ctx context.Context, d *draft) (*Commit, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.FlushTimeout)
	defer cancel()
	began := time.Now()
	c, err := f.attempt(ctx, d)
	if errors.Is(err, errForgotten) {
		f.history = f.Ingester.history.Add(1) // the other regions forget too
		f.metrics.historyChanges.Inc()
		f.log.Warn("committed flushes have disappeared; every cache was dropped", "region", f.region, "error", err)
		c, err = f.attempt(ctx, d)
	}
	f.metrics.flush(time.Since(began), c, err)
	return c, err
}

// attempt is one try at writing a draft: metrics, lock, catch up, series,
// segments, commit. What it learns is kept only if it commits.
func (f *flusher) attempt(ctx context.Context, d *draft) (*Commit, error) {
	if now := f.Ingester.history.Load(); now != f.history {
		f.known.forget()
		f.history = now
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
	d.refuseOutside(fl.Earliest, fl.Now+f.cfg.Limits.Ahead.Milliseconds(), f.metrics.refuse)
	d.settle()
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
	segs := f.builder.build(d, fl)
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
	f.metrics.unordered.Add(float64(f.builder.unordered))
	return &Commit{
		Region: f.region, Seq: fl.Seq, Metrics: f.builder.metrics(),
		MinT: f.builder.minT, MaxT: f.builder.maxT, Samples: f.builder.written,
	}, nil
}

// resolve asks what became of a commit in doubt, for as long as the waiting
// requests can be kept. It returns nil when the flush is committed. When the
// answer does not come, nothing is remembered of the flush: if it did commit,
// the next one finds it as if another writer had written it (O3).
func (f *flusher) resolve(ctx context.Context, fl segment.Flush, err error) error {
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

// nameMetrics gives the draft's slots the ids of their metrics. Ids that were
// not known are not remembered before a flush has used them.
func (f *flusher) nameMetrics(ctx context.Context, d *draft) error {
	var names []string
	var places []int
	for i := range d.slots {
		sl := &d.slots[i]
		if sl.id = f.known.metrics[sl.metric.name]; sl.id == 0 {
			names = append(names, sl.metric.name)
			places = append(places, i)
		}
	}
	if len(names) == 0 {
		return nil
	}
	ids, err := f.store.Metrics(ctx, names)
	if err != nil {
		return fmt.Errorf("name %d metrics: %w", len(names), err)
	}
	for i, place := range places {
		d.slots[place].id = ids[i]
	}
	return nil
}

// findSeries creates or finds the series of the draft that have no id yet and
// returns them; they are provisional until the flush has committed.
func (f *flusher) findSeries(ctx context.Context, tx FlushTx, d *draft) ([]*series, error) {
	var found []*series
	var metrics []segment.MetricID
	asked := make(map[*series]bool)
	for i := range d.samples {
		smp := &d.samples[i]
		if smp.series == nil || smp.series.id != 0 || asked[smp.series] {
			continue
		}
		asked[smp.series] = true
		found = append(found, smp.series)
		metrics = append(metrics, d.slots[smp.slot].id)
	}
	if len(found) == 0 {
		return nil, nil
	}
	request := make([]segment.NewSeries, len(found))
	for i, s := range found {
		request[i] = segment.NewSeries{
			Metric: metrics[i],
			SHA256: segment.Identity([]byte(s.canonical)),
			Labels: labelsOf(s.canonical),
		}
	}
	answers, err := tx.CreateSeries(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("create %d series: %w", len(found), err)
	}
	for i, s := range found {
		f.known.found(s, metrics[i], answers[i])
	}
	return found, nil
}

// evict forgets the series that had no sample for Config.SeriesIdle.
func (f *flusher) evict(now time.Time) {
	for _, s := range f.registry.takeFresh(f.region) {
		if s.seenAt == 0 { // not flushed yet
			s.seenAt = now.UnixMilli()
		}
		f.all = append(f.all, s)
	}
	limit := now.Add(-f.cfg.SeriesIdle).UnixMilli()
	var idle []*series
	for _, s := range f.all {
		if s.seenAt < limit {
			idle = append(idle, s)
		}
	}
	dead := f.buf.kill(idle)
	if len(dead) == 0 {
		return
	}
	f.known.evict(dead)
	f.registry.forget(f.region, dead)
	gone := make(map[*series]bool, len(dead))
	for _, s := range dead {
		gone[s] = true
	}
	kept := f.all[:0]
	for _, s := range f.all {
		if !gone[s] {
			kept = append(kept, s)
		}
	}
	clear(f.all[len(kept):])
	f.all = kept
}
