package read_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
	"laminar/flownode/promfunc"
	"laminar/sequence"
)

// TestPrometheusSuite runs Prometheus's own acceptance tests through leaves,
// panes, merges and residual: every expression that is kept incrementally is
// computed from panes cut at random, every batch expression from the samples
// that it is said to read. What is refused, and what needs native histograms or
// settings that a stock Prometheus has not, is left to Prometheus's engine.
func TestPrometheusSuite(t *testing.T) {
	// The suite's files name the functions that may be anchored, to the letter.
	anchored := maps.Clone(promql.AnchoredSafeFunctions)
	t.Cleanup(func() { promql.AnchoredSafeFunctions = anchored })
	for _, name := range promfunc.Names() {
		delete(promql.AnchoredSafeFunctions, name)
	}
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		t.Fatal(err)
	}
	a := &adapter{
		tb: t, rng: rand.New(rand.NewPCG(1, 2)), eval: promeval.New(), counts: map[outcome]int{}, why: map[string]int{}, written: map[string]bool{},
		ids:  map[string]sequence.SeriesID{},
		test: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery),
		stock: promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
			MaxSamples: math.MaxInt, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			Parser: parser.NewParser(promqltest.TestParserOpts), NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
		}),
	}
	for _, e := range exprs {
		a.written[e] = true
	}
	promqltest.RunBuiltinTests(t, a)
	t.Logf("evaluations: %d incremental (%d with every leaf merged from two or more panes, %d with samples in two or more of them), "+
		"%d incremental from native histograms, %d the same with results that are histograms, "+
		"%d batch, %d batch from native histograms, %d the same with results that are histograms, "+
		"%d refused, %d on start times, %d that depend on settings, %d that are errors",
		a.counts[incremental], a.merged, a.mixed, a.counts[kept], a.counts[keptResults], a.counts[batch], a.counts[batchHistograms], a.counts[histogramResults],
		a.counts[refused], a.counts[unsupported], a.counts[settings], a.counts[failed])
	for _, why := range slices.Sorted(maps.Keys(a.why)) {
		t.Logf("refused %d: %s", a.why[why], why)
	}
	if a.merged < 600 || a.mixed < 180 || a.counts[batch] < 90 || a.counts[batchHistograms] < 1 {
		t.Error("too few evaluations ran through panes: want 600, of which 180 with samples in several, and 90 in batch")
	}
}

// outcome is how an evaluation of the suite was served.
type outcome int

const (
	incremental outcome = iota
	batch
	kept             // incremental, from native histograms
	keptResults      // the same, and results are native histograms
	batchHistograms  // in batch, from native histograms
	histogramResults // the same, and results are native histograms
	refused          // by flowdef
	unsupported      // samples that are not stored: start timestamps, before the epoch
	settings         // the engine itself says something else without the suite's settings
	failed           // the expression is an error, and here too
)

// with is how an evaluation was served of which another window gives vec.
func (o outcome) with(vec promeval.Vector, cut cuts) outcome {
	results := o == histogramResults || o == keptResults || slices.ContainsFunc(vec, func(s promeval.Sample) bool { return s.Histogram != nil })
	switch {
	case cut.histograms && !cut.whole && o != histogramResults && o != batchHistograms:
		if results {
			return keptResults
		}
		return kept
	case results:
		return histogramResults
	case cut.histograms:
		return batchHistograms
	default:
		return o
	}
}

// adapter is a query engine that computes what it can through this package.
type adapter struct {
	tb      testing.TB
	rng     *rand.Rand
	eval    *promeval.Engine
	test    *promql.Engine // with the settings of the suite
	stock   *promql.Engine // with those of a stock Prometheus
	written map[string]bool
	counts  map[outcome]int
	merged  int // evaluations that cut the window of every leaf
	mixed   int // and found samples in two or more panes of every leaf
	ids     map[string]sequence.SeriesID
	why     map[string]int // refused evaluations by reason
	last    string         // the instant evaluation that the next range query repeats
}

func (a *adapter) NewInstantQuery(ctx context.Context, from storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	q, err := a.test.NewInstantQuery(ctx, from, opts, qs, ts)
	if err != nil {
		return nil, err
	}
	if a.last = fmt.Sprint(qs, ts.UnixMilli()); !a.written[qs] {
		a.last = "variant of " + qs
	}
	return &adapted{Query: q, a: a, from: from, start: ts.UnixMilli(), end: ts.UnixMilli(), step: 1, counted: a.written[qs],
		reference: func() (promql.Query, error) { return a.stock.NewInstantQuery(ctx, from, opts, qs, ts) }}, nil
}

func (a *adapter) NewRangeQuery(ctx context.Context, from storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, step time.Duration) (promql.Query, error) {
	q, err := a.test.NewRangeQuery(ctx, from, opts, qs, start, end, step)
	if err != nil {
		return nil, err
	}
	repeats := strings.HasPrefix(a.last, "variant") || a.last == fmt.Sprint(qs, start.Add(time.Minute).UnixMilli())
	a.last = ""
	return &adapted{Query: q, a: a, from: from, start: start.UnixMilli(), end: end.UnixMilli(), step: step.Milliseconds(), isRange: true, counted: !repeats,
		reference: func() (promql.Query, error) { return a.stock.NewRangeQuery(ctx, from, opts, qs, start, end, step) }}, nil
}

// adapted is a query of the suite's engine whose values are computed here.
type adapted struct {
	promql.Query
	a                *adapter
	from             storage.Queryable
	start, end, step int64 // ms
	isRange          bool
	counted          bool // it is the evaluation of a line of the suite, not a variant of one
	reference        func() (promql.Query, error)
}

// errUnsupported says that samples cannot have come through Laminar.
var errUnsupported = errors.New("not stored")

// Exec returns the engine's result with the values that were computed here, if
// they could be.
func (q *adapted) Exec(ctx context.Context) *promql.Result {
	want := q.Query.Exec(ctx)
	got, how, cuts := q.compute(ctx, want)
	if q.counted {
		q.a.counts[how]++
		if how == incremental && cuts.panes > 1 {
			q.a.merged++
		}
		if how == incremental && cuts.occupied > 1 {
			q.a.mixed++
		}
	}
	if got == nil {
		return want
	}
	return &promql.Result{Value: got, Warnings: want.Warnings}
}

func (q *adapted) compute(ctx context.Context, want *promql.Result) (got parser.Value, how outcome, most cuts) {
	c, err := q.compile()
	if err != nil {
		q.refused(err.Error())
		return nil, refused, most
	}
	if q.isRange && (strings.Contains(q.String(), "start()") || strings.Contains(q.String(), "end()")) {
		q.refused("@ start() and @ end() of a range query")
		return nil, refused, most // they are not the end of each window
	}
	same, err := q.sameAsStock(ctx, want)
	if err != nil {
		q.a.tb.Error(err)
	}
	if !same {
		return nil, settings, most
	}
	how = incremental
	if c.Batch {
		how = batch
	}
	var vectors []promeval.Vector
	for t := q.start; t <= q.end; t += q.step {
		vec, cut, err := q.window(ctx, t)
		switch {
		case errors.Is(err, errUnsupported):
			return nil, unsupported, most
		case err != nil && want.Err != nil:
			return nil, failed, most
		case err != nil:
			q.a.tb.Errorf("%s at %d: %v", q.String(), t, err)
			return nil, how, most
		}
		vectors = append(vectors, vec)
		how = how.with(vec, cut)
		most.panes, most.occupied = max(most.panes, cut.panes), max(most.occupied, cut.occupied)
	}
	if want.Err != nil {
		q.a.tb.Errorf("%s from %d: no error, want %v", q.String(), q.start, want.Err)
		return nil, how, most
	}
	return q.value(vectors, want), how, most
}

// compile takes the expression apart for windows that end at q.start.
func (q *adapted) compile() (flowdef.Compiled, error) {
	c, _, err := flowdef.Compile(q.String(), 60_000)
	return c, err
}

// refused counts why an evaluation was, by the first reason.
func (q *adapted) refused(why string) {
	if q.counted {
		why, _, _ = strings.Cut(why, "; ")
		q.a.why[why]++
	}
}

// sameAsStock reports whether the engine with a stock Prometheus's settings
// gives the same.
func (q *adapted) sameAsStock(ctx context.Context, want *promql.Result) (bool, error) {
	stock, err := q.reference()
	if err != nil {
		return false, err
	}
	defer stock.Close()
	res := stock.Exec(ctx)
	if (res.Err == nil) != (want.Err == nil) {
		return false, nil
	}
	return res.Err != nil || res.Value.String() == want.Value.String(), nil
}
