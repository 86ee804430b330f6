package promeval_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/sequence/segment"
)

func series(times []int64, values []float64, lset ...string) promeval.Series {
	return promeval.Series{Labels: labels.FromStrings(lset...), Times: times, Values: values}
}

// TestWholeBoundaries pins the facts of time that everything else relies on:
// ranges and the lookback are open on the left and closed on the right, stale
// markers end a series for instant selectors and are no samples for ranges.
func TestWholeBoundaries(t *testing.T) {
	e := promeval.New()
	m := func(times []int64, values []float64) promeval.Samples {
		return promeval.Samples{series(times, values, "__name__", "m")}
	}
	stale, nan := segment.Stale(), math.NaN()
	for _, tc := range []struct {
		name    string
		expr    string
		samples promeval.Samples
		at      int64
		want    []float64
	}{
		{"right end is inside", "sum_over_time(m[1m])", m([]int64{60_000}, []float64{3}), 60_000, []float64{3}},
		{"left end is outside", "sum_over_time(m[1m])", m([]int64{0, 1}, []float64{5, 3}), 60_000, []float64{3}},
		{"lookback reaches 5m", "m", m([]int64{1}, []float64{3}), 5 * minute, []float64{3}},
		{"and no further", "m", m([]int64{0}, []float64{3}), 5 * minute, nil},
		{"a stale marker ends a series", "m", m([]int64{1000, 2000}, []float64{3, stale}), minute, nil},
		{"until the next sample", "m", m([]int64{2000, 3000}, []float64{stale, 4}), minute, []float64{4}},
		{"a stale marker is no sample", "count_over_time(m[1m])", m([]int64{1000, 2000}, []float64{3, stale}), minute, []float64{1}},
		{"NaN is one", "count_over_time(m[1m])", m([]int64{1000, 2000}, []float64{3, nan}), minute, []float64{2}},
		{"offset moves the window back", "sum_over_time(m[1m] offset 1m)", m([]int64{60_000, 60_001}, []float64{3, 5}), 2 * minute, []float64{3}},
		{"a scalar is a sample without labels", "1 + 1", nil, 0, []float64{2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := e.Whole(context.Background(), tc.expr, tc.samples, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
			for i, want := range tc.want {
				if !same(got[i].Value, want) {
					t.Errorf("got %v, want %v", got[i].Value, want)
				}
			}
		})
	}
}

// TestWholeRangeEqualsWhole: one pass over many times gives what as many single
// evaluations give.
func TestWholeRangeEqualsWhole(t *testing.T) {
	e := promeval.New()
	ctx := context.Background()
	samples := makeSamples(11)
	compared := 0
	for _, expr := range corpus(t) {
		all, err := e.WholeRange(ctx, expr, samples, 0, dataEnd, 7*minute)
		if err != nil {
			continue // an error at one time fails all; TestCorpus looks at each
		}
		for i, got := range all {
			want, err := e.Whole(ctx, expr, samples, int64(i)*7*minute)
			if err != nil {
				t.Fatalf("%s: step %d: %v, but no error in one pass", expr, i, err)
			}
			requireClose(t, expr, got, want)
			compared += len(want)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d results were compared", compared)
	}
}

// requireClose allows for sums that the engine takes in another order in a
// range query, where it keeps series in another order.
func requireClose(t *testing.T, expr string, got, want promeval.Vector) {
	t.Helper()
	g, w := byLabels(t, got), byLabels(t, want)
	for key, b := range w {
		a, ok := g[key]
		if !ok || !partialtest.Close(a, b, 1e-9*max(math.Abs(a), math.Abs(b), 1)) {
			t.Fatalf("%s: %s: got %v (%v), want %v", expr, key, a, ok, b)
		}
	}
	if len(g) != len(w) {
		t.Fatalf("%s: got %d results, want %d", expr, len(g), len(w))
	}
}

// TestSetsOfManySeries: a value that two series have is in their set once, whether one
// time is evaluated or many.
func TestSetsOfManySeries(t *testing.T) {
	e, ctx := promeval.New(), context.Background()
	samples := promeval.Samples{
		series([]int64{1000, 61_000}, []float64{3, 4}, "__name__", "m", "i", "a"),
		series([]int64{1000, 61_000}, []float64{3, 5}, "__name__", "m", "i", "b"),
	}
	const expr = "sum(values_over_time(m[1m]))"
	all, err := e.WholeRange(ctx, expr, samples, minute, 2*minute, minute)
	if err != nil {
		t.Fatal(err)
	}
	for i, values := range []float64{1, 2} {
		one, err := e.Whole(ctx, expr, samples, int64(i+1)*minute)
		if err != nil {
			t.Fatal(err)
		}
		for way, got := range map[string]promeval.Vector{"at one time": one, "at many": all[i]} {
			if len(got) != 1 || got[0].Histogram == nil || got[0].Histogram.Count != values {
				t.Errorf("%s, window %d: the set is %v, want one of %v values", way, i, got, values)
			}
		}
	}
}

func TestWholeRangeRefusesNoTimes(t *testing.T) {
	e := promeval.New()
	for _, tc := range [][3]int64{{0, 10, 0}, {10, 0, 1}} {
		if _, err := e.WholeRange(context.Background(), "m", nil, tc[0], tc[1], tc[2]); err == nil {
			t.Errorf("from %d to %d by %d: no error", tc[0], tc[1], tc[2])
		}
	}
}

func TestResidualErrors(t *testing.T) {
	e := promeval.New()
	c, _, err := flowdef.Compile("sum by (a) (x) / sum by (b) (y)", minute)
	if err != nil {
		t.Fatal(err)
	}
	one := func(name string, values ...string) promeval.Vector {
		var v promeval.Vector
		for _, value := range values {
			v = append(v, promeval.Sample{Metric: labels.FromStrings(name, value), Value: 1})
		}
		return v
	}
	ctx := context.Background()

	onAll, _, err := flowdef.Compile("sum by (a) (x) / on () sum by (b) (y)", minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Residual(ctx, onAll.Residual, []promeval.Vector{one("a", "1"), one("b", "1", "2")}, minute)
	if err == nil || !strings.Contains(err.Error(), "many-to-many") {
		t.Errorf("two matches on one side: got error %v", err)
	}

	_, err = e.Residual(ctx, c.Residual, []promeval.Vector{one("a", "1")}, minute)
	if err == nil || !strings.Contains(err.Error(), "no leaf") {
		t.Errorf("a leaf is missing: got error %v", err)
	}

	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = e.Residual(gone, c.Residual, []promeval.Vector{one("a", "1"), one("b", "1")}, minute)
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled context: got error %v", err)
	}
}

func TestResidualOfNothingIsLeaf(t *testing.T) {
	leaf := promeval.Vector{{Metric: labels.FromStrings("a", "1"), Value: math.NaN()}}
	got, err := promeval.New().Residual(context.Background(), nil, []promeval.Vector{leaf}, 0)
	if err != nil || len(got) != 1 || !math.IsNaN(got[0].Value) {
		t.Errorf("got %v, %v", got, err)
	}
}
