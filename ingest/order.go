package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"laminar/ingest/registry"
	"laminar/sequence"
	"laminar/sequence/series"
)

// known is what a flusher knows of its region. It is a cache of what stands in
// the database at one position, and owned by the flusher.
//
// It answers one question, sample by sample: is this sample newer than all earlier
// ones of its series? A wrong yes would make a flow merge a sample that repeats or
// overtakes another, so every doubt counts as no. A wrong no costs only speed: the
// sample goes into an unordered segment, and flows compute its windows again. So a
// bound may be too high, never too low, and what is exactly known, the newest
// sample with its value, serves to recognise repeats.
//
//	O1  it is true at (seq, id): the newest samples of the series that have an
//	    id here and of others are the newest committed up to seq, or upper
//	    bounds where not exact
//	O2  a series that is in neither has no sample later than its metric's
//	    floor, in floors or in skippedFloors, and none at all when it has neither
//	O3  it changes only by commits known to have happened, and by what was
//	    read under the region's lock
//	O4  byID, unless nil, is all series that have an id here
//	O5  every id here is of a series that is there at (seq, id): its row was not
//	    removed by a flush up to seq
type known struct {
	seq     sequence.Seq
	id      sequence.FlushID
	metrics map[string]sequence.MetricID
	others  map[sequence.SeriesID]series.Last // written by others, not asked for here
	most    int                               // the largest that others has been since it was made
	floors  map[sequence.MetricID]int64       // milliseconds since the epoch

	// What stood in the region when the first flush began was skipped: it is
	// known by its floors only, so that this flush need not read samples. Nearly
	// always all that comes is newer. The rest is read when a sample is not.
	skipped       sequence.Seq // up to this sequence; 0 when nothing was skipped
	skippedFloors map[sequence.MetricID]int64

	// histograms is the payloads of the newest samples that are exactly known
	// and native histograms.
	histograms map[sequence.SeriesID]series.Digest

	// all gives every series of the region that is remembered. byID finds them
	// by what others wrote: with millions of series it is large, so it is made
	// when others do write, and dropped when they have not for some time.
	all   iter.Seq[*registry.Series]
	byID  map[sequence.SeriesID]*registry.Series
	alone int // flushes since others wrote
}

// aloneAfter is how many flushes without one of another writer make us alone.
const aloneAfter = 1000

func newKnown(all iter.Seq[*registry.Series]) *known {
	k := &known{all: all}
	k.forget()
	return k
}

// forget drops everything: position, ids, newest samples and floors.
func (k *known) forget() {
	for s := range k.all {
		if s.ID != 0 {
			s.ID, s.LastT, s.Exact = 0, registry.NoSample, registry.NotExact
		}
	}
	k.seq, k.id = 0, sequence.FlushID{}
	k.metrics = make(map[string]sequence.MetricID)
	k.byID, k.alone = nil, 0
	k.others, k.most = make(map[sequence.SeriesID]series.Last), 0
	k.floors = make(map[sequence.MetricID]int64)
	k.skipped, k.skippedFloors = 0, nil
	k.histograms = make(map[sequence.SeriesID]series.Digest)
}

// see learns what the database says of a series' newest sample.
func (k *known) see(s *registry.Series, last series.Last) {
	if last.Histogram == (series.Digest{}) {
		s.See(last.T, last.Value)
	} else {
		k.seeHistogram(s, last.T, last.Value, last.Histogram)
	}
}

// seeHistogram is series.see for a native histogram.
func (k *known) seeHistogram(s *registry.Series, t int64, sum float64, payload series.Digest) {
	if t >= s.LastT {
		s.LastT, s.LastV, s.Exact = t, sum, registry.ExactHistogram
		k.histograms[s.ID] = payload
	}
}

// repeated reports whether a sample at a series' newest time is bit-equal to the
// one there; payload is nil for a float of the value v, and for a histogram v is
// its sum.
func (k *known) repeated(s *registry.Series, v float64, payload []byte) bool {
	if math.Float64bits(v) != math.Float64bits(s.LastV) {
		return false
	}
	switch s.Exact {
	case registry.ExactFloat:
		return payload == nil
	case registry.ExactHistogram:
		return payload != nil && series.DigestOf(payload) == k.histograms[s.ID]
	default:
		return false
	}
}

// index makes byID, unless it is there or there are no series to be in it.
func (k *known) index() {
	k.alone = 0
	if k.byID != nil {
		return
	}
	for s := range k.all {
		if s.ID == 0 {
			continue
		}
		if k.byID == nil {
			k.byID = make(map[sequence.SeriesID]*registry.Series)
		}
		k.byID[s.ID] = s
	}
}

// trim gives memory back that is not needed any more: after a start others
// holds all series of the database, until each has been asked for. A map does not
// shrink by itself, so it is made anew when it has become much smaller.
func (k *known) trim() {
	if k.alone++; k.alone == aloneAfter {
		k.byID = nil
	}
	if len(k.others) < k.most/4 {
		left := make(map[sequence.SeriesID]series.Last, len(k.others))
		maps.Copy(left, k.others)
		k.others, k.most = left, len(left)
	}
}

// catchUp moves the knowledge to the position just before the flush, which
// holds the region's lock. The flush's sequence, and the ids of earlier flushes, tell
// what has happened since:
//
//	the next sequence, our id before it   no other process wrote: nothing to do
//	not beyond our sequence               commits have disappeared: ErrForgotten
//	beyond it, our sequence has our id    others wrote in between: read that; when not
//	                                      all of it is remembered: ErrTooLongAgo
//	beyond it, our sequence has no id     too long ago to tell: ErrTooLongAgo
//	beyond it, it has another id          commits have disappeared: ErrForgotten
//	we know no position                   a start: read the floors of the metrics
//
// After an error everything has been forgotten. missed says whether others wrote.
func (k *known) catchUp(ctx context.Context, tx FlushTx) (missed bool, err error) {
	fl := tx.Flush()
	if fl.Seq == k.seq+1 && fl.PrevID == k.id {
		return false, nil
	}
	if fl.Seq <= k.seq+1 {
		return false, k.lost(fl)
	}
	if k.seq > 0 {
		// The flush before this one is not the one remembered, so its id says
		// nothing of where we stood: a restore may have taken our sequence back
		// and others may have gone past it since.
		id, err := tx.Took(ctx, k.seq)
		if err != nil {
			return false, fmt.Errorf("look up sequence %d: %w", k.seq, err)
		}
		switch id {
		case k.id:
		case sequence.FlushID{}:
			k.forget()
			return false, ErrTooLongAgo
		default:
			return false, k.lost(fl)
		}
	} else {
		floors, err := tx.Floors(ctx, fl.Seq-1)
		if err != nil {
			return false, fmt.Errorf("read how far the region's metrics have come: %w", err)
		}
		k.skipped, k.skippedFloors = fl.Seq-1, floors
		k.seq, k.id = fl.Seq-1, fl.PrevID
		return true, nil
	}
	m, err := tx.Missed(ctx, k.seq, fl.Seq-1)
	if errors.Is(err, sequence.ErrHistoryChanged) {
		return false, k.lost(fl)
	}
	if err != nil {
		return false, fmt.Errorf("read what others wrote in %v: %w", sequence.Range{After: k.seq, UpTo: fl.Seq - 1}, err)
	}
	if m.Gap {
		k.forget()
		return false, ErrTooLongAgo
	}
	k.merge(m)
	k.remove(m.Removed)
	if len(m.Removed) > 0 && len(k.floors) > 2*len(k.metrics)+1000 {
		if err := k.dropFloors(ctx, tx); err != nil {
			return false, err
		}
	}
	k.seq, k.id = fl.Seq-1, fl.PrevID
	return true, nil
}

// readSkipped reads what was skipped, within the flush that writes the draft: bounds that
// were floors become what the series' newest samples are, as far as these can be
// read. The draft's series have their ids; those that were found for it are
// provisional, so what is read of them is kept for when they are found again.
func (k *known) readSkipped(ctx context.Context, tx FlushTx, d *draft, found []*registry.Series) error {
	m, err := tx.Missed(ctx, 0, k.skipped)
	if errors.Is(err, sequence.ErrHistoryChanged) {
		return k.lost(tx.Flush())
	}
	if err != nil {
		return fmt.Errorf("read what was written up to sequence %d: %w", k.skipped, err)
	}
	k.skipped, k.skippedFloors = 0, nil
	// Whatever was committed here since was newer than the floor, and so is
	// exactly known: else this would have been read before.
	for s := range k.all {
		if s.ID != 0 && s.Exact == registry.NotExact {
			s.LastT = registry.NoSample
		}
	}
	k.index()
	for _, s := range found {
		delete(k.byID, s.ID)
	}
	k.merge(m)
	metrics := make(map[string]sequence.MetricID, len(k.metrics)+len(d.metrics))
	maps.Copy(metrics, k.metrics)
	for _, m := range d.metrics {
		metrics[m.metric.Name] = m.id
	}
	for s := range k.all {
		if s.ID == 0 {
			continue
		}
		if last, ok := k.others[s.ID]; ok {
			k.see(s, last)
		}
		if t, ok := k.floors[metrics[s.Metric.Name]]; ok {
			s.Raise(t)
		}
	}
	return nil
}

// doubtfulZeros reports whether a start timestamp is not newer than a bound.
func (d *draft) doubtfulZeros() bool {
	return slices.ContainsFunc(d.zeros, func(z draftSample) bool {
		return z.t <= z.series.LastT && z.series.Exact == registry.NotExact
	})
}

// lost drops everything and says so.
func (k *known) lost(fl sequence.Flush) error {
	err := fmt.Errorf("%w: sequence %d was seen, the next one is %d", ErrForgotten, k.seq, fl.Seq)
	k.forget()
	return err
}

// merge takes in what others wrote.
func (k *known) merge(m series.Missed) {
	k.index()
	for _, last := range m.Lasts {
		if s := k.byID[last.Series]; s != nil {
			k.see(s, last)
			continue
		}
		if old, ok := k.others[last.Series]; !ok || last.T >= old.T {
			k.others[last.Series] = last
		}
	}
	k.most = max(k.most, len(k.others))
	if len(m.Floors) == 0 {
		return
	}
	for id, t := range m.Floors {
		k.raiseFloor(id, t)
	}
	// What is not listed may have samples up to the floor.
	for _, s := range k.byID {
		if t, ok := m.Floors[k.metrics[s.Metric.Name]]; ok {
			s.Raise(t)
		}
	}
}

// remove forgets series that have been removed: what comes of them next creates them
// again, and they have no earlier samples.
func (k *known) remove(removed []sequence.SeriesID) {
	for _, id := range removed {
		if s := k.byID[id]; s != nil {
			k.unfound(s)
			delete(k.byID, id)
		}
		delete(k.others, id)
	}
}

// dropFloors drops the floors of metrics that have no samples in the region any more:
// the metrics that were forgotten with their last series, and have been removed since.
func (k *known) dropFloors(ctx context.Context, tx FlushTx) error {
	floors, err := tx.Floors(ctx, tx.Flush().Seq-1)
	if err != nil {
		k.forget()
		return fmt.Errorf("read how far the region's metrics have come: %w", err)
	}
	maps.DeleteFunc(k.floors, func(id sequence.MetricID, _ int64) bool {
		_, has := floors[id]
		return !has
	})
	return nil
}

func (k *known) raiseFloor(id sequence.MetricID, t int64) {
	if old, ok := k.floors[id]; !ok || t > old {
		k.floors[id] = t
	}
}

// found gives a series that a flush just created or found its id and bounds:
// exact ones where others' newest sample of it was read, else the floor of its
// metric. It stays provisional until the flush has committed: unfound undoes it.
func (k *known) found(s *registry.Series, id sequence.MetricID, answer series.Stored) {
	s.ID, s.LastT, s.Exact = answer.ID, registry.NoSample, registry.NotExact
	if answer.Created {
		return // it has no earlier samples
	}
	if last, ok := k.others[answer.ID]; ok {
		k.see(s, last)
	}
	for _, floors := range []map[sequence.MetricID]int64{k.floors, k.skippedFloors} {
		if t, ok := floors[id]; ok {
			s.Raise(t)
		}
	}
}

func (k *known) unfound(s *registry.Series) {
	delete(k.histograms, s.ID)
	s.ID, s.LastT, s.Exact = 0, registry.NoSample, registry.NotExact
}

// apply takes in a flush that is known to have committed: its position, its
// series' ids and its samples. The samples of a series ascend in time (D2), so the
// last of them is what its newest sample is afterwards. now is the process's clock,
// ms since the epoch.
func (k *known) apply(fl sequence.Flush, d *draft, found []*registry.Series, now int64) {
	k.seq, k.id = fl.Seq, fl.ID
	for _, m := range d.metrics {
		k.metrics[m.metric.Name] = m.id
	}
	for _, s := range found {
		if k.byID != nil {
			k.byID[s.ID] = s
		}
		delete(k.others, s.ID)
	}
	for i := range d.samples {
		smp := &d.samples[i]
		if smp.series == nil {
			continue
		}
		if smp.payload == 0 {
			smp.series.See(smp.t, smp.v)
		} else {
			k.seeHistogram(smp.series, smp.t, smp.v, series.DigestOf(d.payload(smp)))
		}
		smp.series.SeenAt = now
	}
	k.trim()
}

// evict drops series that have been killed. What they may have is kept as
// their metric's floor, so O2 goes on to hold.
func (k *known) evict(dead []*registry.Series) {
	for _, s := range dead {
		if s.ID == 0 {
			continue
		}
		delete(k.byID, s.ID)
		delete(k.histograms, s.ID)
		if s.LastT != registry.NoSample {
			k.raiseFloor(k.metrics[s.Metric.Name], s.LastT)
		}
	}
}
