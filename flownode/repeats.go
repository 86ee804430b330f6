package flownode

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// lateSamples is the unordered samples of a delta, each (series, time) once
// with the value of the highest sequence.
type lateSamples struct {
	after  sequence.Vector
	values map[lateKey]float64
	hists  map[lateKey]series.Digest // of those that are native histograms
	metric map[sequence.SeriesID]sequence.MetricID

	// Keys of values of which something else is stored, or may be: they
	// overwrite. The others are new.
	overwrites map[lateKey]struct{}
	uncompared bool // all may overwrite
}

type lateKey struct {
	series sequence.SeriesID
	t      int64
}

// maxLateSamples bounds how many unordered samples of a delta are told apart;
// beyond, all of them count as changes.
const maxLateSamples = 1 << 20

func newLateSamples(after sequence.Vector) *lateSamples {
	return &lateSamples{
		after: after, values: map[lateKey]float64{}, hists: map[lateKey]series.Digest{},
		metric: map[sequence.SeriesID]sequence.MetricID{}, overwrites: map[lateKey]struct{}{},
	}
}

// add takes the samples of an unordered segment; segments of a region come in
// the order of their sequences.
func (s *lateSamples) add(seg *segment.Segment) {
	for i, id := range seg.Series {
		key := lateKey{id, seg.Time(i)}
		s.values[key] = seg.Values[i]
		s.metric[id] = seg.Metric
		if seg.Histograms != nil {
			s.hists[key] = series.DigestOf(seg.Histograms[i])
		} else if len(s.hists) > 0 {
			delete(s.hists, key)
		}
	}
}

// isNew reports whether nothing else is stored of the key.
func (s *lateSamples) isNew(key lateKey) bool {
	_, overwrites := s.overwrites[key]
	_, hist := s.hists[key]
	return !overwrites && !hist && !s.uncompared
}

// compare looks what is stored at the samples' times. It leaves out those that
// are bit-equal to what was there at the flow's vector: they change nothing (a
// sender that repeats a request it got no answer to must not make windows
// dirty). Where a sealed segment holds samples from both sides of the vector,
// nothing can be said and the sample counts as a change.
func (s *lateSamples) compare(ctx context.Context, r *round) error {
	if len(s.values) == 0 {
		return nil
	}
	if s.uncompared = len(s.values) > maxLateSamples; s.uncompared {
		return nil
	}
	var sel segment.Select
	for id, m := range s.metric {
		sel.Series = append(sel.Series, id)
		sel.Metrics = append(sel.Metrics, m)
	}
	slices.Sort(sel.Series)
	slices.Sort(sel.Metrics)
	sel.Metrics = slices.Compact(sel.Metrics)
	sel.Spans = s.spans()
	sel.After, sel.UpTo = sel.Spans[0].MinT-1, sel.Spans[len(sel.Spans)-1].MaxT
	var index SlotIndex // of the late series
	for i, id := range sel.Series {
		index.Set(id, int32(i))
	}
	var (
		before = make(map[lateKey]earlier)
		times  = spanFinder{spans: sel.Spans}
	)
	err := r.snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
		at := s.after.At(seg.Region)
		if seg.MinSeq > at && !seg.Ordered && !seg.Sealed {
			return nil // the late samples themselves
		}
		for i, id := range seg.Series {
			// Most samples of these segments are of other times.
			if !times.holds(seg.Time(i)) || index.Get(id) == NoSlot {
				continue
			}
			key := lateKey{id, seg.Time(i)}
			if _, ok := s.values[key]; !ok {
				continue
			}
			r.readSamples++
			s.overwrites[key] = struct{}{}
			switch {
			case seg.MinSeq > at:
			case seg.MaxSeq > at:
				delete(before, key)
			default:
				old := earlier{value: seg.Values[i]}
				if seg.Histograms != nil {
					old.hist = series.DigestOf(seg.Histograms[i])
				}
				before[key] = old
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare repeated samples with what is stored: %w", err)
	}
	for key, old := range before {
		if math.Float64bits(s.values[key]) == math.Float64bits(old.value) && s.hists[key] == old.hist {
			delete(s.values, key)
		}
	}
	return nil
}

// earlier is what stood at a time of a series; hist is zero for a float.
type earlier struct {
	value float64
	hist  series.Digest
}

// spans is the times of the samples, those that follow one another closely as
// one: samples of one scrape have nearly one time.
func (s *lateSamples) spans() []segment.Span {
	times := make([]int64, 0, len(s.values))
	for key := range s.values {
		times = append(times, key.t)
	}
	slices.Sort(times)
	var out []segment.Span
	for _, t := range times {
		if n := len(out); n > 0 && t-out[n-1].MaxT <= lateGap {
			out[n-1].MaxT = t
		} else {
			out = append(out, segment.Span{MinT: t, MaxT: t})
		}
	}
	return out
}

// spanFinder looks times up in spans, which ascend, fast where one time lies near
// the last: by the stretch, a span or a gap, that that one was in.
type spanFinder struct {
	spans    []segment.Span
	from, to int64 // the stretch from <= t < to
	in       bool  // it is a span
}

// holds reports whether t lies in a span.
func (f *spanFinder) holds(t int64) bool {
	if t >= f.from && t < f.to {
		return f.in
	}
	n, _ := slices.BinarySearchFunc(f.spans, t, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) })
	f.in = n < len(f.spans) && f.spans[n].MinT <= t
	f.from, f.to = math.MinInt64, math.MaxInt64
	if n > 0 {
		f.from = f.spans[n-1].MaxT + 1
	}
	switch {
	case f.in:
		f.from, f.to = f.spans[n].MinT, f.spans[n].MaxT+1
	case n < len(f.spans):
		f.to = f.spans[n].MinT
	}
	return f.in
}

// lateGap is up to how far apart times are looked for as one span, in ms.
const lateGap = int64(100)
