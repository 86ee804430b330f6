package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// memStore is a Store in memory, with the faults a database has. Its answers
// are computed from the log of commits in the dumbest way.
type memStore struct {
	mu       sync.Mutex
	regions  map[sequence.Region]*memRegion
	metrics  map[string]sequence.MetricID
	series   map[[32]byte]*memSeries
	nextID   sequence.SeriesID
	now      int64
	earliest int64

	// Faults. Each is asked before the step it is named after; nil means never.
	onMetrics func() error
	onBegin   func() error
	onSeries  func([]series.Wanted) error
	onResolve func() error
	// onCommit returns whether the flush is applied, and what is answered.
	onCommit func(sequence.Flush, []segment.Segment) (applied bool, err error)
	floors   bool // answer Missed with floors instead of some of the lasts
	commits  int
	reads    int // of Missed
}

type memRegion struct {
	lock chan struct{} // held by the flush under way
	log  []memFlush
	// The ids of flushes up to here are not remembered any more.
	pruned sequence.Seq
}

type memFlush struct {
	id       sequence.FlushID
	segments []segment.Segment
}

type memSeries struct {
	id     sequence.SeriesID
	metric sequence.MetricID
	region sequence.Region
	seq    sequence.Seq
	labels []series.Label
}

func newMemStore(regions int) *memStore {
	s := &memStore{
		regions: make(map[sequence.Region]*memRegion),
		metrics: make(map[string]sequence.MetricID),
		series:  make(map[[32]byte]*memSeries),
		now:     1_700_000_000_000,
	}
	for r := range regions {
		s.regions[sequence.Region(r+1)] = &memRegion{lock: make(chan struct{}, 1)}
	}
	return s
}

func (s *memStore) Metrics(_ context.Context, names []string) ([]sequence.MetricID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onMetrics != nil {
		if err := s.onMetrics(); err != nil {
			return nil, err
		}
	}
	ids := make([]sequence.MetricID, len(names))
	for i, name := range names {
		if s.metrics[name] == 0 {
			s.metrics[name] = sequence.MetricID(len(s.metrics) + 1)
		}
		ids[i] = s.metrics[name]
	}
	return ids, nil
}

func (s *memStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (FlushTx, error) {
	r := s.regions[region]
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("lock region: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onBegin != nil {
		if err := s.onBegin(); err != nil {
			<-r.lock
			return nil, err
		}
	}
	tx := &memTx{store: s, region: r, flush: sequence.Flush{
		Region: region, Seq: sequence.Seq(len(r.log) + 1), ID: id, Earliest: s.earliest, Now: s.now,
	}}
	if n := len(r.log); n > 0 {
		tx.flush.PrevID = r.log[n-1].id
	}
	return tx, nil
}

func (s *memStore) Resolve(_ context.Context, region sequence.Region, seq sequence.Seq, id sequence.FlushID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onResolve != nil {
		if err := s.onResolve(); err != nil {
			return false, err
		}
	}
	log := s.regions[region].log
	return int(seq) <= len(log) && log[seq-1].id == id, nil
}

// truncate loses the newest commits of a region and the series they created,
// as a restore from a backup does.
func (s *memStore) truncate(region sequence.Region, keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regions[region]
	r.log = r.log[:min(keep, len(r.log))]
	for key, ser := range s.series {
		if ser.region == region && int(ser.seq) > keep {
			delete(s.series, key)
		}
	}
}

type memTx struct {
	store  *memStore
	region *memRegion
	flush  sequence.Flush
	made   [][32]byte
	ended  bool
}

func (t *memTx) Flush() sequence.Flush { return t.flush }

func (t *memTx) Took(_ context.Context, seq sequence.Seq) (sequence.FlushID, error) {
	if int(seq) > len(t.region.log) || seq <= t.region.pruned {
		return sequence.FlushID{}, nil
	}
	return t.region.log[seq-1].id, nil
}

func (t *memTx) Floors(_ context.Context, upTo sequence.Seq) (map[sequence.MetricID]int64, error) {
	floors := make(map[sequence.MetricID]int64)
	for _, fl := range t.region.log[:upTo] {
		for i := range fl.segments {
			id := fl.segments[i].Metric
			floors[id] = max(floors[id], fl.segments[i].MaxT)
		}
	}
	return floors, nil
}

func (t *memTx) Missed(_ context.Context, after, upTo sequence.Seq) (series.Missed, error) {
	t.store.mu.Lock()
	t.store.reads++
	t.store.mu.Unlock()
	lasts := make(map[sequence.SeriesID]series.Last)
	metric := make(map[sequence.SeriesID]sequence.MetricID)
	for _, fl := range t.region.log[after:upTo] {
		for i := range fl.segments {
			seg := &fl.segments[i]
			for j, id := range seg.Series {
				metric[id] = seg.Metric
				if old, ok := lasts[id]; !ok || seg.Time(j) >= old.T {
					lasts[id] = lastOf(seg, j)
				}
			}
		}
	}
	m := series.Missed{Floors: make(map[sequence.MetricID]int64)}
	for id, last := range lasts {
		if t.store.floors && id%2 == 0 {
			m.Floors[metric[id]] = max(m.Floors[metric[id]], last.T)
			continue
		}
		m.Lasts = append(m.Lasts, last)
	}
	return m, nil
}

func (t *memTx) CreateSeries(_ context.Context, list []series.Wanted) ([]series.Stored, error) {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onSeries != nil {
		if err := s.onSeries(list); err != nil {
			return nil, err
		}
	}
	out := make([]series.Stored, len(list))
	for i, n := range list {
		ser := s.series[n.SHA256]
		if ser == nil {
			s.nextID++
			ser = &memSeries{id: s.nextID, metric: n.Metric, region: t.flush.Region, seq: t.flush.Seq, labels: n.Labels}
			s.series[n.SHA256] = ser
			t.made = append(t.made, n.SHA256)
			out[i].Created = true
		}
		out[i].ID = ser.id
	}
	return out, nil
}

func (t *memTx) Commit(_ context.Context, segs []segment.Segment) error {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	applied, err := true, error(nil)
	if s.onCommit != nil {
		applied, err = s.onCommit(t.flush, segs)
	}
	if applied {
		s.commits++
		fl := memFlush{id: t.flush.ID}
		for _, seg := range segs {
			seg.Series = append([]sequence.SeriesID(nil), seg.Series...)
			seg.Offsets = append([]int32(nil), seg.Offsets...)
			seg.Values = append([]float64(nil), seg.Values...)
			seg.Histograms = slices.Clone(seg.Histograms)
			for i, payload := range seg.Histograms {
				seg.Histograms[i] = bytes.Clone(payload)
			}
			fl.segments = append(fl.segments, seg)
		}
		t.region.log = append(t.region.log, fl)
		t.made = nil
	}
	t.endLocked()
	return err
}

func (t *memTx) Rollback(context.Context) error {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.endLocked()
	return nil
}

func (t *memTx) endLocked() {
	if t.ended {
		return
	}
	t.ended = true
	for _, key := range t.made {
		delete(t.store.series, key)
	}
	<-t.region.lock
}

// lastOf is sample j of a segment as a series' newest.
func lastOf(seg *segment.Segment, j int) series.Last {
	return series.Last{Series: seg.Series[j], T: seg.Time(j), Value: seg.Values[j], Histogram: series.DigestOf(payloadOf(seg, j))}
}

func payloadOf(seg *segment.Segment, j int) []byte {
	if seg.Histograms == nil {
		return nil
	}
	return seg.Histograms[j]
}

// stamp tells samples apart: it is the bits of a float, and for a histogram
// those of its sum mixed with its payload.
func stamp(v float64, payload []byte) uint64 {
	digest := series.DigestOf(payload)
	return bits(v) ^ binary.BigEndian.Uint64(digest[:])
}

// key names a sample.
type key struct {
	labels string // canonical
	t      int64
}

// content is what a reader sees: one value per series and time, the highest
// sequence winning.
func (s *memStore) content() map[key]uint64 {
	out := make(map[key]uint64)
	s.each(func(k key, v float64, payload []byte) { out[k] = stamp(v, payload) })
	return out
}

// each calls take with every sample that was written, in the order of sequences;
// the payload of a float is nil.
func (s *memStore) each(take func(k key, v float64, payload []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make(map[sequence.SeriesID]string)
	for _, ser := range s.series {
		names[ser.id] = string(series.CanonicalLabels(nil, ser.labels))
	}
	for _, r := range s.regions {
		for _, fl := range r.log {
			for i := range fl.segments {
				seg := &fl.segments[i]
				for j, id := range seg.Series {
					take(key{names[id], seg.Time(j)}, seg.Values[j], payloadOf(seg, j))
				}
			}
		}
	}
}
