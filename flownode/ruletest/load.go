package ruletest

import (
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promeval"
	"laminar/flownode/sandbox"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// region is the only one of a test's store.
const region sequence.Region = 1

var notation = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// inputs is the series of a test with their samples up to upTo, ms since the epoch.
// Samples that come later would be seen by nothing that the test asks for.
func (t *Test) inputs(upTo int64) (promeval.Samples, error) {
	var out promeval.Samples
	for _, in := range t.InputSeries {
		lset, values, err := notation.ParseSeriesDesc(in.Series + " " + in.Values)
		if err != nil {
			return nil, fmt.Errorf("input_series %s: %w", in.Series, err)
		}
		x := promeval.Series{Labels: lset}
		for i, v := range values {
			at := int64(t.Start) + int64(i)*millis(t.Interval)
			switch {
			case at > upTo:
			case v.Omitted:
			case v.Histogram != nil:
				x.Histograms = append(x.Histograms, promql.HPoint{T: at, H: v.Histogram})
			default:
				x.Times, x.Values = append(x.Times, at), append(x.Values, v.Value)
			}
		}
		if slices.ContainsFunc(out, func(o promeval.Series) bool { return labels.Equal(o.Labels, lset) }) {
			return nil, fmt.Errorf("input_series %s: the series is there twice", in.Series)
		}
		out = append(out, x)
	}
	return out, nil
}

// write stores samples as one flush of a store that holds nothing.
func write(store *sandbox.MemStore, samples promeval.Samples) error {
	type key struct {
		metric    sequence.MetricID
		bucket    int64
		histogram bool
	}
	segs := map[key]*segment.Segment{}
	metrics := map[string]sequence.MetricID{}
	for i, x := range samples {
		name := x.Labels.Get(model.MetricNameLabel)
		if metrics[name] == 0 {
			metrics[name] = sequence.MetricID(len(metrics) + 1)
		}
		one := series.Series{ID: sequence.SeriesID(i + 1), Metric: metrics[name], Region: region, Seq: 1}
		x.Labels.Range(func(l labels.Label) {
			one.Labels = append(one.Labels, series.Label{Name: l.Name, Value: l.Value})
		})
		store.Series = append(store.Series, one)
		add := func(at int64, value float64, payload []byte) {
			k := key{one.Metric, segment.Bucket(at), payload != nil}
			seg := segs[k]
			if seg == nil {
				seg = &segment.Segment{Metric: one.Metric, Ordered: true, Base: k.bucket, MinT: at, MaxT: at}
				segs[k] = seg
			}
			seg.MinT, seg.MaxT = min(seg.MinT, at), max(seg.MaxT, at)
			seg.Series = append(seg.Series, one.ID)
			seg.Offsets = append(seg.Offsets, int32(at-k.bucket))
			seg.Values = append(seg.Values, value)
			if payload != nil {
				seg.Histograms = append(seg.Histograms, payload)
			}
		}
		for j, at := range x.Times {
			add(at, x.Values[j], nil)
		}
		for _, h := range x.Histograms {
			payload, err := nativehist.AppendFloat(nil, h.H)
			if err != nil {
				return fmt.Errorf("input_series %s: %w", x.Labels, err)
			}
			add(h.T, h.H.Sum, payload)
		}
	}
	list := make([]segment.Segment, 0, len(segs))
	for _, s := range segs {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b segment.Segment) int { return int(a.MinT - b.MinT) })
	store.Append(region, list...)
	return nil
}
