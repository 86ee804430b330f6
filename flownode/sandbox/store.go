package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"

	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// MemStore is the raw data, the catalogue and the result tables in memory: all
// ports of the coordinator, with a clock that its driver moves. It keeps the same
// promises as the store on PostgreSQL and is as dumb as possible.
type MemStore struct {
	Mu       sync.Mutex
	Now      int64
	Earliest int64
	Removed  int64
	Vec      sequence.Vector
	Flushes  map[sequence.Region][]sequence.FlushID             // of sequence i+1
	Times    map[sequence.Region]map[sequence.Seq]sequence.Time // of their commits
	Series   []series.Series
	Hot      []segment.Segment
	Sealed   []segment.Segment
	sealedTo sequence.Vector

	Flows map[progress.FlowID]*MemFlow
	Jobs  []progress.Job

	FailCommit func() error // called before a commit; an error makes it fail
	Forget     bool         // the next commit is stored but reported unknown
	rowsSent   int
}

// MemFlow is a flow of the catalogue with its table, its dirty list and its alerts.
type MemFlow struct {
	Flow   progress.Flow
	Rows   map[int64]map[string]progress.Row
	Dirty  map[progress.DirtyKey]progress.Dirty
	Alerts MemAlerts
	Late   MemLate
}

// NewMemStore is empty and has so many regions, numbered from 1.
func NewMemStore(regions int) *MemStore {
	s := &MemStore{Vec: sequence.Vector{}, Flushes: map[sequence.Region][]sequence.FlushID{}, Times: map[sequence.Region]map[sequence.Seq]sequence.Time{}, sealedTo: sequence.Vector{}, Flows: map[progress.FlowID]*MemFlow{}}
	for r := 1; r <= regions; r++ {
		s.Vec[sequence.Region(r)] = 0
	}
	return s
}

// Append commits one flush of a region: ordered and unordered samples.
func (s *MemStore) Append(r sequence.Region, segs ...segment.Segment) {
	s.Vec[r]++
	var id sequence.FlushID
	id[0], id[1], id[2] = byte(r), byte(s.Vec[r]), byte(s.Vec[r]>>8)
	s.Flushes[r] = append(s.Flushes[r], id)
	if s.Times[r] == nil {
		s.Times[r] = map[sequence.Seq]sequence.Time{}
	}
	s.Times[r][s.Vec[r]] = s.Now
	for _, seg := range segs {
		seg.Region, seg.MinSeq, seg.MaxSeq = r, s.Vec[r], s.Vec[r]
		s.Hot = append(s.Hot, seg)
	}
}

// Seal merges all hot segments; sequence precision up to here is lost.
func (s *MemStore) Seal() {
	type key struct {
		r sequence.Region
		m sequence.MetricID
		b int64
	}
	merged := map[key][]segment.Segment{}
	for _, seg := range s.Hot {
		k := key{seg.Region, seg.Metric, segment.Bucket(seg.MinT)}
		merged[k] = append(merged[k], seg)
	}
	for k, segs := range merged {
		sort.SliceStable(segs, func(i, j int) bool { return segs[i].MinSeq < segs[j].MinSeq })
		type point struct {
			id sequence.SeriesID
			t  int64
		}
		vals := map[point]float64{}
		hists := map[point][]byte{}
		out := segment.Segment{Region: k.r, Metric: k.m, Sealed: true, MinSeq: segs[0].MinSeq, Base: k.b}
		for i := range segs {
			out.MaxSeq = max(out.MaxSeq, segs[i].MaxSeq)
			for j := range segs[i].Series {
				p := point{segs[i].Series[j], segs[i].Time(j)}
				vals[p] = segs[i].Values[j]
				if delete(hists, p); segs[i].Histograms != nil {
					hists[p] = segs[i].Histograms[j]
				}
			}
		}
		points := make([]point, 0, len(vals))
		for p := range vals {
			points = append(points, p)
		}
		slices.SortFunc(points, func(a, b point) int {
			if a.id != b.id {
				return int(a.id - b.id)
			}
			return int(a.t - b.t)
		})
		both := [2]segment.Segment{out, out} // floats and histograms
		for _, p := range points {
			to := &both[0]
			if hists[p] != nil {
				to = &both[1]
				to.Histograms = append(to.Histograms, hists[p])
			}
			if to.Len() == 0 {
				to.MinT, to.MaxT = p.t, p.t
			}
			to.MinT, to.MaxT = min(to.MinT, p.t), max(to.MaxT, p.t)
			to.Series = append(to.Series, p.id)
			to.Offsets = append(to.Offsets, int32(p.t-k.b))
			to.Values = append(to.Values, vals[p])
		}
		for _, out := range both {
			if out.Len() > 0 {
				s.Sealed = append(s.Sealed, out)
			}
		}
	}
	s.Hot = nil
	s.sealedTo = s.Vec.Clone()
}

// Lapse gives up and drops all segments whose samples lie before a time, and removes the
// series that have no sample any more.
func (s *MemStore) Lapse(before int64) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Earliest = before
	has := map[sequence.SeriesID]bool{}
	for _, set := range []*[]segment.Segment{&s.Hot, &s.Sealed} {
		*set = slices.DeleteFunc(slices.Clone(*set), func(seg segment.Segment) bool { return seg.MaxT < before })
		for _, seg := range *set {
			for _, id := range seg.Series {
				has[id] = true
			}
		}
	}
	n := len(s.Series)
	s.Series = slices.DeleteFunc(slices.Clone(s.Series), func(x series.Series) bool { return !has[x.ID] })
	s.Removed += int64(n - len(s.Series))
}

// Snapshot is a copy of everything, as read.Snapshot wants it.
func (s *MemStore) Snapshot(context.Context) (read.Snapshot, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	pos := sequence.Position{Vector: s.Vec.Clone(), Flushes: map[sequence.Region]sequence.FlushID{}, Now: s.Now, Earliest: s.Earliest, Removed: s.Removed}
	for r, ids := range s.Flushes {
		pos.Flushes[r] = ids[len(ids)-1]
	}
	for _, set := range [][]segment.Segment{s.Hot, s.Sealed} {
		for i := range set {
			if set[i].Histograms != nil {
				pos.Histograms = append(pos.Histograms, set[i].Metric)
			}
		}
	}
	slices.Sort(pos.Histograms)
	pos.Histograms = slices.Compact(pos.Histograms)
	return &MemSnapshot{
		store: s, pos: pos, flushes: s.Flushes, series: slices.Clip(s.Series), // appended to only
		hot: slices.Clone(s.Hot), sealed: slices.Clone(s.Sealed),
	}, nil
}

// CurrentVector is where the regions stand.
func (s *MemStore) CurrentVector(context.Context) (sequence.Vector, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return s.Vec.Clone(), nil
}

// MemSnapshot is a copy of the raw data.
type MemSnapshot struct {
	store   *MemStore // of results
	pos     sequence.Position
	flushes map[sequence.Region][]sequence.FlushID
	series  []series.Series
	hot     []segment.Segment
	sealed  []segment.Segment
	closed  bool
}

// Position is where the copy was made.
func (s *MemSnapshot) Position() sequence.Position { return s.pos }

// CheckHistory compares every flush with the one that has its number now.
func (s *MemSnapshot) CheckHistory(_ context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	for r, id := range flushes {
		seq := vec.At(r)
		if seq == 0 {
			continue
		}
		if int(seq) > len(s.flushes[r]) || s.flushes[r][seq-1] != id {
			return fmt.Errorf("region %d sequence %d: %w", r, seq, sequence.ErrHistoryChanged)
		}
	}
	return nil
}

// Series gives of the labels those that are asked for and no other, series of one
// label set the same one.
func (s *MemSnapshot) Series(_ context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error) {
	var out []series.Series
	sets := map[string][]series.Label{}
	for _, x := range s.series {
		if x.Seq <= after.At(x.Region) || x.Seq > s.pos.Vector.At(x.Region) {
			continue
		}
		var name string
		for _, l := range x.Labels {
			if l.Name == series.MetricName {
				name = l.Value
			}
		}
		if metrics == nil || slices.Contains(metrics, name) {
			if len(only) > 0 {
				set := slices.DeleteFunc(slices.Clone(x.Labels), func(l series.Label) bool { return !slices.Contains(only, l.Name) })
				key := fmt.Sprint(set)
				if sets[key] == nil {
					sets[key] = set
				}
				x.Labels = sets[key]
			}
			out = append(out, x)
		}
	}
	return out, nil
}

// There counts the series that are there.
func (s *MemSnapshot) There(_ context.Context, ids []sequence.SeriesID) (n int, err error) {
	for _, x := range s.series {
		if slices.Contains(ids, x.ID) {
			n++
		}
	}
	return n, nil
}

func info(seg *segment.Segment) segment.Info {
	return segment.Info{
		Region: seg.Region, MinSeq: seg.MinSeq, MaxSeq: seg.MaxSeq, Metric: seg.Metric, Ordered: seg.Ordered,
		Sealed: seg.Sealed, MinT: seg.MinT, MaxT: seg.MaxT, Samples: int64(seg.Len()), Bytes: int64(seg.Len()) * segment.ArrayBytes, Segments: 1,
	}
}

func (s *MemSnapshot) each(metrics []sequence.MetricID, fn func(*segment.Segment) error) error {
	for _, set := range [][]segment.Segment{s.sealed, s.hot} {
		sort.SliceStable(set, func(i, j int) bool { return set[i].MaxSeq < set[j].MaxSeq })
		for i := range set {
			if slices.Contains(metrics, set[i].Metric) {
				if err := fn(&set[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Infos describes every segment by itself.
func (s *MemSnapshot) Infos(_ context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error) {
	var out []segment.Info
	err := s.each(metrics, func(seg *segment.Segment) error {
		if seg.MaxSeq > after.At(seg.Region) {
			out = append(out, info(seg))
		}
		return nil
	})
	return out, err
}

// ReadDelta gives hot segments in the order of their sequences.
func (s *MemSnapshot) ReadDelta(_ context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	return s.each(metrics, func(seg *segment.Segment) error {
		if seg.Sealed || !ranges[seg.Region].Contains(seg.MinSeq) ||
			pick == segment.PickOrdered && !seg.Ordered || pick == segment.PickUnordered && seg.Ordered {
			return nil
		}
		return fn(seg)
	})
}

func overlaps(seg *segment.Segment, sel segment.Select) bool {
	return (sel.Span == sequence.Span{} || sel.Span.Overlaps(seg.Span())) &&
		(sel.Spans == nil || slices.ContainsFunc(sel.Spans, seg.Span().Overlaps))
}

// ReadRaw gives sealed segments before hot ones, in as many goroutines as there
// are functions.
func (s *MemSnapshot) ReadRaw(_ context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	parts := make([][]*segment.Segment, len(fns))
	err := s.each(sel.Metrics, func(seg *segment.Segment) error {
		if overlaps(seg, sel) {
			to := int(seg.Region) % len(fns)
			parts[to] = append(parts[to], seg)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var readers errgroup.Group
	for i, part := range parts {
		readers.Go(func() error {
			for _, seg := range part {
				if err := fns[i](seg); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return readers.Wait()
}

// Spans lists the spans of segments, joined where they touch.
func (s *MemSnapshot) Spans(_ context.Context, sel segment.Select) (sequence.Spans, error) {
	var out []sequence.Span
	err := s.each(sel.Metrics, func(seg *segment.Segment) error {
		if overlaps(seg, sel) {
			out = append(out, seg.Span())
		}
		return nil
	})
	return sequence.Union(out...), err
}

// aggregate is the database's part of pushdown, done naively.
func (s *MemSnapshot) aggregate(q partial.SimpleQuery, use func(*segment.Segment) bool, span sequence.Span, fn func(pane int64, slot int32, part partial.Simple) error) error {
	type point struct {
		id sequence.SeriesID
		t  int64
	}
	vals := map[point]float64{}
	_ = s.each(q.Metrics, func(seg *segment.Segment) error {
		if use(seg) {
			for i := range seg.Series {
				if t := seg.Time(i); span.Holds(t) {
					vals[point{seg.Series[i], t}] = seg.Values[i]
				}
			}
		}
		return nil
	})
	type cellKey struct {
		end  int64
		slot int32
	}
	cells := map[cellKey]*partial.Simple{}
	for p, v := range vals {
		i := slices.Index(q.Series, p.id)
		if i < 0 || segment.IsStale(v) {
			continue
		}
		k := cellKey{p.t + (q.Pane-p.t%q.Pane)%q.Pane, q.Slots[i]}
		if cells[k] == nil {
			cells[k] = &partial.Simple{}
		}
		cells[k].Add(p.t, v)
	}
	for k, c := range cells {
		if err := fn(k.end, k.slot, *c); err != nil {
			return err
		}
	}
	return nil
}

// AggregateDelta aggregates ordered hot segments.
func (s *MemSnapshot) AggregateDelta(_ context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(pane int64, slot int32, part partial.Simple) error) error {
	return s.aggregate(q, func(seg *segment.Segment) bool {
		return !seg.Sealed && seg.Ordered && ranges[seg.Region].Contains(seg.MinSeq)
	}, sequence.Span{After: q.After, UpTo: sequence.EndOfTime}, fn)
}

// AggregateRaw aggregates all segments.
func (s *MemSnapshot) AggregateRaw(_ context.Context, q partial.SimpleQuery, span sequence.Span, fn func(pane int64, slot int32, part partial.Simple) error) error {
	return s.aggregate(q, func(*segment.Segment) bool { return true }, span, fn)
}

// Close notes that the snapshot was closed.
func (s *MemSnapshot) Close(context.Context) error {
	s.closed = true
	return nil
}
