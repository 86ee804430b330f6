package ruletest

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// recorder collects what one rule records: samples at evaluation times, and a stale
// marker where a series that had one has none at the next.
type recorder struct {
	every  int64
	last   sequence.Time // the last evaluation
	series map[string]*promeval.Series
}

func newRecorder(every int64, last sequence.Time) *recorder {
	return &recorder{every: every, last: last, series: map[string]*promeval.Series{}}
}

// put adds a sample, a histogram where h is not nil. Times of a series ascend.
func (r *recorder) put(lset labels.Labels, t sequence.Time, v float64, h *histogram.FloatHistogram) {
	key := string(lset.Bytes(nil))
	x := r.series[key]
	if x == nil {
		x = &promeval.Series{Labels: lset}
		r.series[key] = x
	}
	if h != nil {
		x.Histograms = append(x.Histograms, promql.HPoint{T: t, H: h})
	} else {
		x.Times, x.Values = append(x.Times, t), append(x.Values, v)
	}
}

// samples is the series with their markers, by labels.
func (r *recorder) samples() promeval.Samples {
	out := make(promeval.Samples, 0, len(r.series))
	for _, key := range slices.Sorted(maps.Keys(r.series)) {
		x := r.series[key]
		there := map[sequence.Time]bool{}
		for _, t := range x.Times {
			there[t] = true
		}
		for _, h := range x.Histograms {
			there[h.T] = true
		}
		for _, t := range slices.Sorted(maps.Keys(there)) {
			if next := t + r.every; !there[next] && next <= r.last {
				x.Times, x.Values = append(x.Times, next), append(x.Values, segment.Stale())
			}
		}
		out = append(out, tidy(*x))
	}
	return out
}

// tidy puts a series' samples into the order of time. Several rules may write one
// series: a marker of one gives way to a sample of another.
func tidy(x promeval.Series) promeval.Series {
	at := map[sequence.Time]float64{}
	for i, t := range x.Times {
		if old, twice := at[t]; !twice || segment.IsStale(old) {
			at[t] = x.Values[i]
		}
	}
	for _, h := range x.Histograms {
		if v, twice := at[h.T]; twice && segment.IsStale(v) {
			delete(at, h.T)
		}
	}
	x.Times, x.Values = slices.Sorted(maps.Keys(at)), nil
	for _, t := range x.Times {
		x.Values = append(x.Values, at[t])
	}
	slices.SortFunc(x.Histograms, func(a, b promql.HPoint) int { return int(a.T - b.T) })
	return x
}

// merge is what Prometheus would hold: the samples that were recorded beside those of
// the input. A series of both has the input's samples where they meet.
func merge(input, recorded promeval.Samples) promeval.Samples {
	out := slices.Clone(input)
	for _, x := range recorded {
		i := slices.IndexFunc(out, func(o promeval.Series) bool { return labels.Equal(o.Labels, x.Labels) })
		if i < 0 {
			out = append(out, x)
			continue
		}
		out[i] = tidy(promeval.Series{
			Labels: x.Labels, Times: slices.Concat(out[i].Times, x.Times), Values: slices.Concat(out[i].Values, x.Values),
			Histograms: slices.Concat(out[i].Histograms, x.Histograms),
		})
	}
	return out
}
