package flownode

import (
	"context"
	"fmt"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// lateSamples is the unordered samples of a delta, each (series, time) once
// with the value of the highest sequence.
type lateSamples struct {
	after  sequence.Vector
	values map[lateKey]float64
	hists  map[lateKey]segment.Digest // of those that are native histograms
	metric map[segment.SeriesID]segment.MetricID
}

type lateKey struct {
	series segment.SeriesID
	t      int64
}

// maxLateSamples bounds how many unordered samples of a delta are told apart;
// beyond, all of them count as changes.
const maxLateSamples = 1 << 20

func newLateSamples(after sequence.Vector) *lateSamples {
	return &lateSamples{after: after, values: map[lateKey]float64{}, hists: map[lateKey]segment.Digest{}, metric: map[segment.SeriesID]segment.MetricID{}}
}

// add takes the samples of an unordered segment; segments of a region come in
// the order of their sequences.
func (s *lateSamples) add(seg *segment.Segment) {
	for i, id := range seg.Series {
		key := lateKey{id, seg.Time(i)}
		s.values[key] = seg.Values[i]
		s.metric[id] = seg.Metric
		if seg.Histograms != nil {
			s.hists[key] = segment.DigestOf(seg.Histograms[i])
		} else if len(s.hists) > 0 {
			delete(s.hists, key)
		}
	}
}

// dropRepeats leaves out the samples that are bit-equal to what was there at
// the flow's vector: they change nothing (a sender that repeats a request it
// got no answer to must not make windows dirty). Where a sealed segment holds
// samples from both sides of the vector, nothing can be said and the sample
// counts as a change.
func (s *lateSamples) dropRepeats(ctx context.Context, r *round) error {
	if len(s.values) == 0 || len(s.values) > maxLateSamples {
		return nil
	}
	var metrics []segment.MetricID
	series := make([]segment.SeriesID, 0, len(s.metric))
	for id, m := range s.metric {
		series = append(series, id)
		metrics = append(metrics, m)
	}
	slices.Sort(series)
	slices.Sort(metrics)
	sel := segment.Select{Metrics: slices.Compact(metrics), Series: series}
	before := make(map[lateKey]earlier, len(s.values))
	for _, span := range s.spans() {
		sel.After, sel.UpTo = span.MinT-1, span.MaxT
		err := r.snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
			at := s.after.At(seg.Region)
			if seg.MinSeq > at {
				return nil
			}
			r.readSamples += int64(seg.Len())
			for i, id := range seg.Series {
				key := lateKey{id, seg.Time(i)}
				if _, ok := s.values[key]; !ok {
					continue
				}
				if seg.MaxSeq > at {
					delete(before, key)
					continue
				}
				old := earlier{value: seg.Values[i]}
				if seg.Histograms != nil {
					old.hist = segment.DigestOf(seg.Histograms[i])
				}
				before[key] = old
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("compare repeated samples with what is stored: %w", err)
		}
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
	hist  segment.Digest
}

// lateGap is how far apart times are read for separately.
const lateGap = int64(10 * 60 * 1000)

// spans is the stretches of time the samples fall in.
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
