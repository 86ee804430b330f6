package promfunc

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/flownode/native"
	"laminar/flownode/partial"
)

// histogramOverTime is the floats of a range as a native histogram, by an accuracy or
// native.DefaultAccuracy. It shares no step with native.Sketch, and has no limit of buckets:
// limitSketches is applied to what comes out, and to sums of it.
func histogramOverTime(scalars []promql.Vector, ranges promql.Matrix, args parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	if len(ranges) == 0 || len(ranges[0].Floats) == 0 {
		return enh.Out, nil
	}
	accuracy := native.DefaultAccuracy
	if len(scalars) > 0 && len(scalars[0]) > 0 {
		accuracy = scalars[0][0].F
	}
	schema, err := native.SchemaOf(accuracy)
	var notes annotations.Annotations
	if err != nil {
		return enh.Out, notes.Add(fmt.Errorf("%w: histogram_over_time: %w", annotations.PromQLWarning, err))
	}
	if len(ranges[0].Histograms) > 0 {
		notes.Add(annotations.NewHistogramIgnoredInMixedRangeInfo(ranges[0].Metric.Get(model.MetricNameLabel), args[0].PositionRange()))
	}
	values := make([]float64, len(ranges[0].Floats))
	for i, p := range ranges[0].Floats {
		values[i] = p.F
	}
	return append(enh.Out, promql.Sample{H: HistogramOf(values, schema)}), notes
}

// limitSketches makes histograms as coarse as sketches of the same values are.
func limitSketches(vectors []promql.Vector, _ promql.Matrix, _ parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	for _, el := range vectors[0] {
		if el.H != nil {
			el.H = native.Coarser(el.H)
		}
		enh.Out = append(enh.Out, el)
	}
	return enh.Out, nil
}

// HistogramOf is values as a native histogram of a schema, 0 to 8.
func HistogramOf(values []float64, schema int32) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{CounterResetHint: histogram.GaugeType, Schema: schema, Count: float64(len(values))}
	var (
		total  partial.Simple
		counts = [2]map[int32]float64{{}, {}} // by sign
	)
	for _, v := range values {
		total.Add(0, v)
		switch {
		case v == 0:
			h.ZeroCount++
		case v > 0:
			counts[0][BucketOf(v, schema)]++
		case v < 0:
			counts[1][BucketOf(-v, schema)]++
		}
	}
	h.Sum = total.Total()
	h.PositiveSpans, h.PositiveBuckets = spread(counts[0])
	h.NegativeSpans, h.NegativeBuckets = spread(counts[1])
	return h
}

// BucketOf is the bucket of a value above zero in a schema from 0 to 8, by definition: the
// first whose upper bound is not below it. Of +Inf it is the one after the last.
func BucketOf(v float64, schema int32) int32 {
	if math.IsInf(v, 1) {
		return 1024<<schema + 1
	}
	fraction, exp := math.Frexp(v)
	i, _ := slices.BinarySearch(fractions[schema], fraction)
	return int32(i) + int32(exp-1)<<schema
}

// fractions is, by schema, the upper bounds of buckets from 0.5 on and below 1, as
// Prometheus has them.
var fractions = func() (out [9][]float64) {
	for schema := range int32(len(out)) {
		n := int32(1) << schema
		h := histogram.FloatHistogram{
			Schema: schema, PositiveSpans: []histogram.Span{{Offset: -n, Length: uint32(n)}}, PositiveBuckets: slices.Repeat([]float64{1}, int(n)),
		}
		for it := h.PositiveBucketIterator(); it.Next(); {
			out[schema] = append(out[schema], it.At().Upper)
		}
	}
	return out
}()

// spread is buckets as a native histogram has them.
func spread(counts map[int32]float64) ([]histogram.Span, []float64) {
	var (
		spans []histogram.Span
		out   []float64
		next  int32 // the bucket after the last span
	)
	for _, b := range slices.Sorted(maps.Keys(counts)) {
		if len(spans) > 0 && b == next {
			spans[len(spans)-1].Length++
		} else {
			spans = append(spans, histogram.Span{Offset: b - next, Length: 1})
		}
		next, out = b+1, append(out, counts[b])
	}
	return spans, out
}
