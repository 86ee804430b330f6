package read

// The unordered samples of a delta: late ones, repeats and overwriting ones.
// Before: all unordered segments of the delta were added.
// After: what is left differs from what was stored before the delta, and it is
// known of each sample whether another one is stored at its time.

import (
	"context"
	"fmt"
	"math"
	"slices"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Unordered is the unordered samples of a delta, each (series, time) once with
// the value of the highest sequence. They are few as a rule: senders that are late
// or repeat themselves. A backlog makes them many, so above maxUnordered they are
// not compared.
//
//	U1  a key of values is in hists exactly if its sample is a histogram
//	U2  after Compare, a key that is left was not bit-equal at the vector after, nor
//	    in an ordered segment of the delta, or it is unknown whether it was
//	U3  after Compare and unless uncompared, nothing else is stored at a key that is
//	    not in overwrites
type Unordered struct {
	after  sequence.Vector
	values map[sampleKey]float64
	hists  map[sampleKey]series.Digest // of those that are native histograms
	metric map[sequence.SeriesID]sequence.MetricID

	// Keys of values of which something else is stored, or may be: they
	// overwrite. The others are new.
	overwrites map[sampleKey]struct{}
	uncompared bool // all may overwrite
}

type sampleKey struct {
	series sequence.SeriesID
	t      int64
}

// maxUnordered bounds how many unordered samples of a delta are told apart;
// beyond, all of them count as changes.
const maxUnordered = 1 << 20

// NewUnordered is for a delta that begins at a vector.
func NewUnordered(after sequence.Vector) *Unordered {
	return &Unordered{
		after: after, values: map[sampleKey]float64{}, hists: map[sampleKey]series.Digest{},
		metric: map[sequence.SeriesID]sequence.MetricID{}, overwrites: map[sampleKey]struct{}{},
	}
}

// Add adds the samples of an unordered segment; segments of a region come in the
// order of their sequences.
func (u *Unordered) Add(seg *segment.Segment) {
	for i, id := range seg.Series {
		key := sampleKey{id, seg.Time(i)}
		u.values[key] = seg.Values[i]
		u.metric[id] = seg.Metric
		if seg.Histograms != nil {
			u.hists[key] = series.DigestOf(seg.Histograms[i])
		} else if len(u.hists) > 0 {
			delete(u.hists, key)
		}
	}
}

// UnorderedSample is one of the samples.
type UnorderedSample struct {
	Metric sequence.MetricID
	Series sequence.SeriesID
	T      int64
	V      float64
	New    bool // nothing else is stored of the series at this time
}

// Each calls fn for every sample that changes something, in no order, after
// Compare.
func (u *Unordered) Each(fn func(UnorderedSample)) {
	for key, v := range u.values {
		fn(UnorderedSample{Metric: u.metric[key.series], Series: key.series, T: key.t, V: v, New: u.isNew(key)})
	}
}

// isNew reports whether nothing else is stored at the key (U3). A histogram never
// counts as new: no partial can be folded with it.
func (u *Unordered) isNew(key sampleKey) bool {
	_, overwrites := u.overwrites[key]
	_, hist := u.hists[key]
	return !overwrites && !hist && !u.uncompared
}

// earlier is what stood at a time of a series; hist is zero for a float.
type earlier struct {
	value float64
	hist  series.Digest
}

// selection is where the samples are: their series, at their times. Only segments
// that may hold one of them are read.
func (u *Unordered) selection() segment.Select {
	var sel segment.Select
	for id, m := range u.metric {
		sel.Series = append(sel.Series, id)
		sel.Metrics = append(sel.Metrics, m)
	}
	slices.Sort(sel.Series)
	slices.Sort(sel.Metrics)
	sel.Metrics = slices.Compact(sel.Metrics)
	sel.Spans = u.spans()
	sel.Span = sel.Spans.Whole()
	return sel
}

// closeBy is how far apart two times may be to be searched for as one span, ms: the
// samples of one scrape have nearly one time, and a query of many spans is slow.
const closeBy = int64(100)

// spans is the times of the samples, those that are close to each other as one
// span. Spans ascend and do not touch; there is at least one.
func (u *Unordered) spans() sequence.Spans {
	times := make([]int64, 0, len(u.values))
	for key := range u.values {
		times = append(times, key.t)
	}
	slices.Sort(times)
	var out sequence.Spans
	for _, t := range times {
		if n := len(out); n > 0 && t-out[n-1].UpTo <= closeBy {
			out[n-1].UpTo = t
		} else {
			out = append(out, sequence.Between(t, t))
		}
	}
	return out
}

// Compare looks up the stored samples at the same times. It leaves out those that
// are bit-equal to the value at the beginning of the delta, or to an ordered sample
// of the delta, because they change nothing more: a sender that repeats a request it
// got no answer to must not make windows dirty, nor count as late twice. Where a
// sealed segment holds samples from both sides of that vector, it is unknown which of
// them were there, and the sample counts as a change.
//
// The segments come with the highest sequence last (Segments.ReadRaw), so before
// ends as the value that held at the vector.
func (u *Unordered) Compare(ctx context.Context, r *Reader) error {
	if len(u.values) == 0 {
		return nil
	}
	if u.uncompared = len(u.values) > maxUnordered; u.uncompared {
		return nil
	}
	sel := u.selection()
	var index keep.SlotIndex // of the unordered series
	for i, id := range sel.Series {
		index.Set(id, int32(i))
	}
	var (
		before = make(map[sampleKey]earlier)
		times  = sequence.Finder{Spans: sel.Spans}
	)
	err := r.readRaw(ctx, sel, func(seg *segment.Segment) error {
		at := u.after.At(seg.Region)
		if seg.MinSeq > at && !seg.Ordered && !seg.Sealed {
			return nil // the unordered samples themselves
		}
		for i, id := range seg.Series {
			// Most samples of these segments are of other times.
			if !times.Holds(seg.Time(i)) || index.Get(id) == keep.NoSlot {
				continue
			}
			key := sampleKey{id, seg.Time(i)}
			if _, ok := u.values[key]; !ok {
				continue
			}
			r.Samples++
			u.overwrites[key] = struct{}{}
			switch {
			case seg.MinSeq > at && (seg.Sealed || seg.Region < 0):
				// Of the delta, but not read by itself as an ordered sample is: it is sealed, or
				// a result (a region below 0), of which two rules may give the same series.
			case seg.MaxSeq > at && seg.Sealed: // sealed over the vector: before or after, unknown
				delete(before, key)
			default: // before the delta, or an ordered sample of it
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
		if math.Float64bits(u.values[key]) == math.Float64bits(old.value) && u.hists[key] == old.hist {
			delete(u.values, key)
		}
	}
	return nil
}
