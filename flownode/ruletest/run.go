package ruletest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/function"
	"laminar/flownode/promeval"
	"laminar/sequence"
)

// Sources is the rule files of a test file, as Laminar reads them for it: promtool
// evaluates every group at the file's evaluation interval, whatever it says itself.
func (f *File) Sources(files []flowfile.Source) []flowfile.Source {
	out := slices.Clone(files)
	for i := range out {
		out[i].Every = millis(f.EvaluationInterval)
	}
	return out
}

// Run runs one test of the file over the rules' flows, and returns what it found to be
// wrong, as promtool words it; nothing when it passes.
func (f *File) Run(ctx context.Context, t *Test, flows []flowdef.Flow) []error {
	every, first := millis(f.EvaluationInterval), int64(t.Start)
	if first%every != 0 {
		return []error{fmt.Errorf("start_timestamp: windows end at multiples of the evaluation interval %s, and %s is none",
			f.EvaluationInterval, sequence.FormatTime(first))}
	}
	last := first + t.last()
	last -= (last - first) % every // no evaluation after it
	samples, err := t.inputs(first + t.last())
	if err != nil {
		return []error{err}
	}
	e, err := evaluate(ctx, flows, samples, first, last)
	if err != nil {
		return []error{err}
	}
	all := merge(samples, e.recorded())
	alerts, err := e.alerts(ctx, t, all)
	if err != nil {
		return []error{err}
	}
	all = merge(all, alerts.recorded)
	var errs []error
	inOrder := slices.Clone(t.Alerts)
	slices.SortStableFunc(inOrder, func(a, b AlertTest) int { return cmp.Compare(a.EvalTime, b.EvalTime) })
	for i := range inOrder {
		if err := inOrder[i].check(alerts, every); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range t.Exprs {
		if err := t.Exprs[i].check(ctx, all, first); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// sample is an element of a result, of the test's or of the evaluation's.
type sample struct {
	labels    labels.Labels
	value     float64
	histogram string // in the notation of tests, "" for a number
}

func (s sample) String() string {
	if s.histogram != "" {
		return s.labels.String() + " " + s.histogram
	}
	return s.labels.String() + " " + strconv.FormatFloat(s.value, 'E', -1, 64)
}

// check evaluates the expression and compares.
func (e *ExprTest) check(ctx context.Context, all promeval.Samples, start int64) error {
	fault := func(err error) error {
		return fmt.Errorf("    expr: %q, time: %s, err: %w", e.Expr, e.EvalTime, err)
	}
	vec, err := promeval.New().Whole(ctx, e.Expr, all, start+millis(e.EvalTime))
	if err != nil {
		return fault(err)
	}
	var got, want []sample
	for _, s := range vec {
		got = append(got, sample{s.Metric, s.Value, spelled(s.Histogram)})
	}
	for _, x := range e.Samples {
		s, err := x.sample()
		if err != nil {
			return fault(fmt.Errorf("labels %q: %w", x.Labels, err))
		}
		want = append(want, s)
	}
	byLabels := func(a, b sample) int { return labels.Compare(a.labels, b.labels) }
	slices.SortFunc(got, byLabels)
	slices.SortFunc(want, byLabels)
	if !slices.EqualFunc(got, want, same) {
		return fmt.Errorf("    expr: %q, time: %s,\n        exp: %s\n        got: %s", e.Expr, e.EvalTime, listed(want), listed(got))
	}
	return nil
}

func (x *Expected) sample() (sample, error) {
	lset, err := notation.ParseMetric(x.Labels)
	if err != nil || x.Histogram == "" {
		return sample{labels: lset, value: x.Value}, err
	}
	_, values, err := notation.ParseSeriesDesc("{} " + x.Histogram)
	if err != nil {
		return sample{}, err
	}
	if len(values) != 1 || values[0].Histogram == nil {
		return sample{}, fmt.Errorf("want one histogram, not %s", x.Histogram)
	}
	return sample{labels: lset, histogram: spelled(values[0].Histogram)}, nil
}

func spelled(h *histogram.FloatHistogram) string {
	if h == nil {
		return ""
	}
	return h.TestExpression()
}

// same reports whether two samples are equal, but for the rounding that another order
// of additions leaves.
func same(a, b sample) bool {
	if !labels.Equal(a.labels, b.labels) || a.histogram != b.histogram {
		return false
	}
	diff, larger := math.Abs(a.value-b.value), max(math.Abs(a.value), math.Abs(b.value))
	return a.histogram != "" || a.value == b.value || math.IsNaN(a.value) && math.IsNaN(b.value) ||
		!math.IsInf(larger, 1) && (diff <= function.Relative*larger || diff <= 1e-12)
}

func listed(samples []sample) string {
	if len(samples) == 0 {
		return "nil"
	}
	out := make([]string, len(samples))
	for i, s := range samples {
		out[i] = s.String()
	}
	return strings.Join(out, ", ")
}
