// Package ingesttest has, in memory, the stores that ingest and the protocols that
// bring samples to it are tested with, and what elects replicas.
//
// It does not import ingest, so that ingest's own tests can use it: what begins a
// flush is joined to ingest.Store by the tests.
package ingesttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Store keeps samples in memory and has the faults that a database has. Its
// answers are computed from the log of commits in the dumbest way.
type Store struct {
	Mu       sync.Mutex // guards what follows and what the faults use
	regions  map[sequence.Region]*region
	metrics  map[string]sequence.MetricID
	series   map[[32]byte]*stored
	nextID   sequence.SeriesID
	Now      int64 // milliseconds since the epoch
	Earliest int64 // what retention has given up, as sequence.Flush says it

	// Faults. Each is asked before the step it is named after; nil means never.
	OnMetrics func() error
	OnBegin   func() error
	OnSeries  func([]series.Wanted) error
	OnResolve func() error
	// OnCommit returns whether the flush is applied, and what is answered.
	OnCommit func(sequence.Flush, []segment.Segment) (applied bool, err error)
	Floors   bool // answer Missed with floors instead of some of the lasts
	Commits  int
	Reads    int // of Missed

	Brought map[string]int64 // how many new series by sender
}

type region struct {
	lock chan struct{} // held by the flush under way
	log  []Flush
	// The ids of flushes up to here are not remembered any more.
	pruned sequence.Seq
}

// Flush is a flush that has committed.
type Flush struct {
	ID       sequence.FlushID
	Segments []segment.Segment
	Removed  []sequence.SeriesID // series that it removed
}

type stored struct {
	id     sequence.SeriesID
	metric sequence.MetricID
	region sequence.Region
	seq    sequence.Seq
	labels []series.Label
}

// New makes an empty store.
func New(regions int) *Store {
	s := &Store{
		regions: make(map[sequence.Region]*region),
		metrics: make(map[string]sequence.MetricID),
		series:  make(map[[32]byte]*stored),
		Now:     1_700_000_000_000,
	}
	for r := range regions {
		s.regions[sequence.Region(r+1)] = &region{lock: make(chan struct{}, 1)}
	}
	return s
}

// Metrics is ingest.Store's.
func (s *Store) Metrics(_ context.Context, names []string) ([]sequence.MetricID, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.OnMetrics != nil {
		if err := s.OnMetrics(); err != nil {
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

// BeginFlush is ingest.Store's, but for its type.
func (s *Store) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (*Tx, error) {
	r := s.regions[region]
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("lock region: %w", ctx.Err())
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.OnBegin != nil {
		if err := s.OnBegin(); err != nil {
			<-r.lock
			return nil, err
		}
	}
	tx := &Tx{store: s, region: r, flush: sequence.Flush{
		Region: region, Seq: sequence.Seq(len(r.log) + 1), ID: id, Earliest: s.Earliest, Now: s.Now,
	}}
	if n := len(r.log); n > 0 {
		tx.flush.PrevID = r.log[n-1].ID
	}
	return tx, nil
}

// Resolve is ingest.Store's.
func (s *Store) Resolve(_ context.Context, region sequence.Region, seq sequence.Seq, id sequence.FlushID) (bool, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.OnResolve != nil {
		if err := s.OnResolve(); err != nil {
			return false, err
		}
	}
	log := s.regions[region].log
	return int(seq) <= len(log) && log[seq-1].ID == id, nil
}

// Hold takes the lock of a region, as another writer's flush does.
func (s *Store) Hold(id sequence.Region) (release func()) {
	lock := s.regions[id].lock
	lock <- struct{}{}
	return func() { <-lock }
}

// Log is the flushes of a region that have committed, in order. The caller sees
// to it that none is under way.
func (s *Store) Log(id sequence.Region) []Flush { return s.regions[id].log }

// Prune forgets the ids of flushes up to a sequence.
func (s *Store) Prune(id sequence.Region, upTo sequence.Seq) { s.regions[id].pruned = upTo }

// Truncate loses the newest commits of a region and the series they created,
// as a restore from a backup does. What Lapse has dropped does not come back: none of
// these may be a removal.
func (s *Store) Truncate(region sequence.Region, keep int) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	r := s.regions[region]
	r.log = r.log[:min(keep, len(r.log))]
	for key, ser := range s.series {
		if ser.region == region && int(ser.seq) > keep {
			delete(s.series, key)
		}
	}
}

// Lapse drops all samples of a series, named by its canonical labels, and removes it,
// as a flush of its own. It reports whether it was there.
func (s *Store) Lapse(canonical []byte, id sequence.FlushID) bool {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	key := series.Identity(canonical)
	row := s.series[key]
	if row == nil {
		return false
	}
	r := s.regions[row.region]
	for _, fl := range r.log {
		for i := range fl.Segments {
			leaveOut(&fl.Segments[i], row.id)
		}
	}
	delete(s.series, key)
	r.log = append(r.log, Flush{ID: id, Removed: []sequence.SeriesID{row.id}})
	return true
}

// leaveOut drops a series' samples from a segment.
func leaveOut(seg *segment.Segment, id sequence.SeriesID) {
	n := 0
	for i := range seg.Series {
		if seg.Series[i] == id {
			continue
		}
		seg.Series[n], seg.Offsets[n], seg.Values[n] = seg.Series[i], seg.Offsets[i], seg.Values[i]
		if seg.Histograms != nil {
			seg.Histograms[n] = seg.Histograms[i]
		}
		n++
	}
	seg.Series, seg.Offsets, seg.Values = seg.Series[:n], seg.Offsets[:n], seg.Values[:n]
	if seg.Histograms != nil {
		seg.Histograms = seg.Histograms[:n]
	}
}

// Tx is one flush under way, an ingest.FlushTx.
type Tx struct {
	store  *Store
	region *region
	flush  sequence.Flush
	made   [][32]byte
	ended  bool

	brought map[string]int64
}

// Flush is where the flush stands.
func (t *Tx) Flush() sequence.Flush { return t.flush }

// Took looks the id of an earlier flush up.
func (t *Tx) Took(_ context.Context, seq sequence.Seq) (sequence.FlushID, error) {
	if int(seq) > len(t.region.log) || seq <= t.region.pruned {
		return sequence.FlushID{}, nil
	}
	return t.region.log[seq-1].ID, nil
}

// Floors is the newest time by metric.
func (t *Tx) Floors(_ context.Context, upTo sequence.Seq) (map[sequence.MetricID]int64, error) {
	floors := make(map[sequence.MetricID]int64)
	for _, fl := range t.region.log[:upTo] {
		for i := range fl.Segments {
			id := fl.Segments[i].Metric
			floors[id] = max(floors[id], fl.Segments[i].MaxT)
		}
	}
	return floors, nil
}

// Missed reads what others wrote.
func (t *Tx) Missed(_ context.Context, after, upTo sequence.Seq) (series.Missed, error) {
	t.store.Mu.Lock()
	t.store.Reads++
	t.store.Mu.Unlock()
	lasts := make(map[sequence.SeriesID]series.Last)
	metric := make(map[sequence.SeriesID]sequence.MetricID)
	var removed []sequence.SeriesID
	for _, fl := range t.region.log[after:upTo] {
		removed = append(removed, fl.Removed...)
		for i := range fl.Segments {
			seg := &fl.Segments[i]
			for j, id := range seg.Series {
				metric[id] = seg.Metric
				if old, ok := lasts[id]; !ok || seg.Time(j) >= old.T {
					lasts[id] = LastOf(seg, j)
				}
			}
		}
	}
	m := series.Missed{Floors: make(map[sequence.MetricID]int64), Removed: removed}
	for id, last := range lasts {
		if t.store.Floors && id%2 == 0 {
			m.Floors[metric[id]] = max(m.Floors[metric[id]], last.T)
			continue
		}
		m.Lasts = append(m.Lasts, last)
	}
	return m, nil
}

// CreateSeries creates what is not there.
func (t *Tx) CreateSeries(_ context.Context, list []series.Wanted) ([]series.Stored, error) {
	s := t.store
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.OnSeries != nil {
		if err := s.OnSeries(list); err != nil {
			return nil, err
		}
	}
	out := make([]series.Stored, len(list))
	for i, n := range list {
		ser := s.series[n.SHA256]
		if ser == nil {
			s.nextID++
			ser = &stored{id: s.nextID, metric: n.Metric, region: t.flush.Region, seq: t.flush.Seq, labels: n.Labels}
			s.series[n.SHA256] = ser
			t.made = append(t.made, n.SHA256)
			out[i].Created = true
		}
		out[i].ID = ser.id
	}
	return out, nil
}

// Brought notes who brought new series.
func (t *Tx) Brought(bySender map[string]int64) { t.brought = bySender }

// Commit writes the segments, unless OnCommit says otherwise.
func (t *Tx) Commit(_ context.Context, segs []segment.Segment) error {
	s := t.store
	s.Mu.Lock()
	defer s.Mu.Unlock()
	applied, err := true, error(nil)
	if s.OnCommit != nil {
		applied, err = s.OnCommit(t.flush, segs)
	}
	if applied {
		s.Commits++
		for sender, n := range t.brought {
			if s.Brought == nil {
				s.Brought = make(map[string]int64)
			}
			s.Brought[sender] += n
		}
		fl := Flush{ID: t.flush.ID}
		for _, seg := range segs {
			seg.Series = append([]sequence.SeriesID(nil), seg.Series...)
			seg.Offsets = append([]int32(nil), seg.Offsets...)
			seg.Values = append([]float64(nil), seg.Values...)
			seg.Histograms = slices.Clone(seg.Histograms)
			for i, payload := range seg.Histograms {
				seg.Histograms[i] = bytes.Clone(payload)
			}
			fl.Segments = append(fl.Segments, seg)
		}
		t.region.log = append(t.region.log, fl)
		t.made = nil
	}
	t.endLocked()
	return err
}

// Rollback ends the flush without a trace.
func (t *Tx) Rollback(context.Context) error {
	t.store.Mu.Lock()
	defer t.store.Mu.Unlock()
	t.endLocked()
	return nil
}

func (t *Tx) endLocked() {
	if t.ended {
		return
	}
	t.ended = true
	for _, key := range t.made {
		delete(t.store.series, key)
	}
	<-t.region.lock
}

// LastOf is sample j of a segment as a series' newest.
func LastOf(seg *segment.Segment, j int) series.Last {
	return series.Last{Series: seg.Series[j], T: seg.Time(j), Value: seg.Values[j], Histogram: series.DigestOf(payloadOf(seg, j))}
}

func payloadOf(seg *segment.Segment, j int) []byte {
	if seg.Histograms == nil {
		return nil
	}
	return seg.Histograms[j]
}

// Stamp tells samples apart: it is the bits of a float, and for a histogram
// those of its sum mixed with its payload.
func Stamp(v float64, payload []byte) uint64 {
	digest := series.DigestOf(payload)
	return math.Float64bits(v) ^ binary.BigEndian.Uint64(digest[:])
}

// Key names a sample.
type Key struct {
	Labels string // canonical
	T      int64  // milliseconds since the epoch
}

// Content is what a reader sees: one value per series and time, the highest
// sequence winning.
func (s *Store) Content() map[Key]uint64 {
	out := make(map[Key]uint64)
	s.Each(func(k Key, v float64, payload []byte) { out[k] = Stamp(v, payload) })
	return out
}

// Each calls take with every sample that was written, in the order of sequences;
// the payload of a float is nil.
func (s *Store) Each(take func(k Key, v float64, payload []byte)) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	names := make(map[sequence.SeriesID]string)
	for _, ser := range s.series {
		names[ser.id] = string(series.CanonicalLabels(nil, ser.labels))
	}
	for _, r := range s.regions {
		for _, fl := range r.log {
			for i := range fl.Segments {
				seg := &fl.Segments[i]
				for j, id := range seg.Series {
					take(Key{names[id], seg.Time(j)}, seg.Values[j], payloadOf(seg, j))
				}
			}
		}
	}
}

// Require fails the test unless the content is what is wanted.
func (s *Store) Require(t *testing.T, want map[Key]uint64) {
	t.Helper()
	got := s.Content()
	for k, v := range want {
		if stored, ok := got[k]; !ok || stored != v {
			t.Errorf("%q at %d is %x (%v), want %x", k.Labels, k.T, stored, ok, v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d samples are stored, want %d", len(got), len(want))
	}
}
