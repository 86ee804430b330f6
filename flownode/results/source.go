package results

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Source is raw samples and the results of some flows as one: a selector finds both,
// by the same matchers. Where a flow has the name of a raw metric, the flow's
// results are read for it and the raw samples are not: in Prometheus the rule would
// have written them. It is for one goroutine, during one round.
type Source struct {
	raw     read.Source
	records *Records
	rules   map[sequence.MetricID]*record
	pos     sequence.Position
}

// NewSource joins raw samples with the results of flows that have finished their
// part of the round.
func NewSource(raw read.Source, records *Records, feeds []*Feed, tables read.Results) *Source {
	s := &Source{raw: raw, records: records, rules: map[sequence.MetricID]*record{}, pos: raw.Position()}
	byMetric := map[sequence.MetricID][]*Feed{}
	for _, f := range feeds {
		byMetric[f.metric] = append(byMetric[f.metric], f)
	}
	for m, of := range byMetric {
		s.rules[m] = newRecord(of, tables)
	}
	s.pos.Vector = With(s.pos.Vector, records.seq)
	s.pos.Histograms = s.Histograms()
	return s
}

// Histograms lists the metrics that hold native histograms, ascending, as far as their
// series are known.
func (s *Source) Histograms() []sequence.MetricID {
	var out []sequence.MetricID
	for m, r := range s.rules {
		if slices.ContainsFunc(r.feeds, func(f *Feed) bool { return f.hists }) {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return append(out, s.raw.Position().Histograms...)
}

// Position is the raw position at the round's sequence of the region of results.
func (s *Source) Position() sequence.Position { return s.pos }

// CheckHistory asks about raw samples: of results there is no history.
func (s *Source) CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	return s.raw.CheckHistory(ctx, Without(vec), flushes)
}

// Series lists the series of raw metrics whose name no flow has. Those of results are
// not listed here: they get their numbers as they are read (Records.Series).
func (s *Source) Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error) {
	hidden := map[string]bool{}
	for _, r := range s.rules {
		hidden[r.feeds[0].Name()] = true
	}
	raw := metrics
	if metrics != nil {
		raw = slices.DeleteFunc(slices.Clone(metrics), func(name string) bool { return hidden[name] })
	}
	before := Without(after)
	if raw != nil && len(raw) == 0 || after != nil && before.Covers(Without(s.pos.Vector)) {
		return nil, nil
	}
	list, err := s.raw.Series(ctx, raw, before, only...)
	if err != nil {
		return nil, err
	}
	// The answer belongs to the raw source.
	return slices.DeleteFunc(slices.Clone(list), func(x series.Series) bool { return hidden[nameOf(x.Labels)] }), nil
}

// There counts results as there: they are not removed while their flow is.
func (s *Source) There(ctx context.Context, ids []sequence.SeriesID) (int, error) {
	raw := slices.DeleteFunc(slices.Clone(ids), func(id sequence.SeriesID) bool { return id < 0 })
	own := len(ids) - len(raw)
	if len(raw) == 0 {
		return own, nil
	}
	n, err := s.raw.There(ctx, raw)
	return own + n, err
}

func nameOf(labels []series.Label) string {
	for _, l := range labels {
		if l.Name == series.MetricName {
			return l.Value
		}
	}
	return ""
}

// divide separates raw metrics from records.
func (s *Source) divide(metrics []sequence.MetricID) (raw []sequence.MetricID, records []*record) {
	for _, m := range metrics {
		if m >= 0 {
			raw = append(raw, m)
		} else if r := s.rules[m]; r != nil {
			records = append(records, r)
		}
	}
	return raw, records
}

// Infos describes raw segments, and what the round changes of results: windows that
// were closed in it are ordered, corrections are not.
func (s *Source) Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error) {
	raw, records := s.divide(metrics)
	var out []segment.Info
	if before := Without(after); len(raw) > 0 && !before.Covers(Without(s.pos.Vector)) {
		var err error
		if out, err = s.raw.Infos(ctx, raw, before); err != nil {
			return nil, err
		}
	}
	if after.At(Region) >= s.records.seq {
		return out, nil
	}
	for _, r := range records {
		if err := r.changes(ctx); err != nil {
			return nil, err
		}
		for _, kind := range []struct {
			*samples
			ordered bool
		}{{&r.ordered, true}, {&r.unordered, false}} {
			if n := len(kind.times); n > 0 {
				out = append(out, segment.Info{
					Region: Region, MinSeq: s.records.seq, MaxSeq: s.records.seq, Metric: r.metric(), Ordered: kind.ordered,
					MinT: slices.Min(kind.times), MaxT: slices.Max(kind.times), Samples: int64(n),
					Bytes: int64(n) * segment.ArrayBytes, Segments: 1,
				})
			}
		}
	}
	return out, nil
}

// ReadDelta reads raw segments, and what the round changes of results.
func (s *Source) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	raw, records := s.divide(metrics)
	own, moved := ranges[Region]
	if moved {
		ranges = maps.Clone(ranges)
		delete(ranges, Region)
	}
	if len(raw) > 0 && len(ranges) > 0 {
		if err := s.raw.ReadDelta(ctx, raw, ranges, pick, fn); err != nil {
			return err
		}
	}
	if !own.Contains(s.records.seq) {
		return nil
	}
	for _, r := range records {
		if err := r.changes(ctx); err != nil {
			return err
		}
		if pick != segment.PickUnordered {
			if err := s.send(r, &r.ordered, true, fn); err != nil {
				return err
			}
		}
		if pick != segment.PickOrdered {
			if err := s.send(r, &r.unordered, false, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// perSegment is how many samples of results are given on at a time.
const perSegment = 64 << 10

// spread is how far apart the times of one segment may be, so that offsets fit 32
// bits.
const spread = 20 * segment.BucketMillis

// send gives samples on as segments.
func (s *Source) send(r *record, all *samples, ordered bool, fn func(*segment.Segment) error) error {
	out := s.sender(r, ordered, fn)
	for i, id := range all.series {
		if err := out.add(id, all.times[i], all.values[i]); err != nil {
			return err
		}
	}
	return out.flush()
}

// sender makes segments of samples.
type sender struct {
	seg  segment.Segment
	fn   func(*segment.Segment) error
	hist bool // of histograms; a segment holds one kind
}

func (s *Source) sender(r *record, ordered bool, fn func(*segment.Segment) error) *sender {
	return &sender{fn: fn, seg: segment.Segment{
		Region: Region, MinSeq: s.records.seq, MaxSeq: s.records.seq, Metric: r.metric(), Ordered: ordered,
	}}
}

func (o *sender) add(id sequence.SeriesID, t sequence.Time, v value) error {
	seg, hist := &o.seg, v.hist != nil
	if n := seg.Len(); n == perSegment || n > 0 && hist != o.hist || n > 0 && (t < seg.Base || t-seg.Base > spread) {
		if err := o.flush(); err != nil {
			return err
		}
	}
	if seg.Len() == 0 {
		seg.Base, seg.MinT, seg.MaxT, o.hist = t, t, t, hist
	}
	seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
	seg.HasStale = seg.HasStale || v.isStale()
	seg.Series = append(seg.Series, id)
	seg.Offsets = append(seg.Offsets, int32(t-seg.Base))
	seg.Values = append(seg.Values, v.float)
	if hist {
		payload, err := nativehist.AppendFloat(nil, v.hist.Float())
		if err != nil {
			return fmt.Errorf("a result that is a histogram: %w", err)
		}
		seg.Histograms = append(seg.Histograms, payload)
	}
	return nil
}

func (o *sender) flush() error {
	seg := &o.seg
	if seg.Len() == 0 {
		return nil
	}
	err := o.fn(seg)
	seg.Series, seg.Offsets, seg.Values, seg.HasStale = seg.Series[:0], seg.Offsets[:0], seg.Values[:0], false
	seg.Histograms = nil
	return err
}

// ReadRaw reads raw segments, then results: both are the samples of series of their
// own. Results come to the first function, when no other is called any more.
func (s *Source) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	raw, records := s.divide(sel.Metrics)
	if len(raw) > 0 {
		own := sel
		own.Metrics = raw
		if own.Series = slices.DeleteFunc(slices.Clone(sel.Series), func(id sequence.SeriesID) bool { return id < 0 }); sel.Series == nil {
			own.Series = nil
		}
		if own.Series == nil || len(own.Series) > 0 {
			if err := s.raw.ReadRaw(ctx, own, fns...); err != nil {
				return err
			}
		}
	}
	span := sel.Span
	if span == (sequence.Span{}) {
		span = sequence.Span{After: sequence.NoTime, UpTo: sequence.EndOfTime}
	}
	for _, r := range records {
		out := s.sender(r, true, fns[0])
		if err := r.each(ctx, span, out.add); err != nil {
			return err
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// Spans lists when there are samples. Windows of results that are a few steps apart
// are one span.
func (s *Source) Spans(ctx context.Context, sel segment.Select) (sequence.Spans, error) {
	raw, records := s.divide(sel.Metrics)
	var out sequence.Spans
	if len(raw) > 0 {
		own := sel
		own.Metrics, own.Series = raw, nil
		spans, err := s.raw.Spans(ctx, own)
		if err != nil {
			return nil, err
		}
		out = append(out, spans...)
	}
	for _, r := range records {
		err := r.each(ctx, sel.Span, func(_ sequence.SeriesID, t sequence.Time, _ value) error {
			if n := len(out); n > 0 && out[n-1].Holds(t) {
				return nil
			}
			if n := len(out); n > 0 && out[n-1].UpTo < t && t-out[n-1].UpTo <= r.every {
				out[n-1].UpTo = t
				return nil
			}
			out = append(out, sequence.Between(t, t))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return sequence.Union(out...), nil
}
