package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
	"laminar/sequence/segment"
)

// TestPrometheusSuite runs Prometheus's own acceptance tests through leaves,
// panes, merges and residual: every expression that is kept incrementally is
// computed from panes cut at random, every batch expression from the samples
// that it is said to read. What is refused, and what needs native histograms or
// settings that a stock Prometheus has not, is left to Prometheus's engine.
func TestPrometheusSuite(t *testing.T) {
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		t.Fatal(err)
	}
	a := &adapter{
		tb: t, rng: rand.New(rand.NewPCG(1, 2)), eval: promeval.New(), counts: map[outcome]int{}, written: map[string]bool{},
		test: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery),
		stock: promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
			MaxSamples: math.MaxInt, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			Parser: parser.NewParser(promqltest.TestParserOpts), NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
		}),
	}
	for _, e := range exprs {
		a.written[e] = true
	}
	promqltest.RunBuiltinTests(&suite{t}, a)
	t.Logf("evaluations: %d incremental (%d of them with every leaf merged from two or more panes), %d batch, "+
		"%d refused, %d on native histograms or start times, %d that depend on settings, %d that are errors",
		a.counts[incremental], a.merged, a.counts[batch], a.counts[refused], a.counts[unsupported], a.counts[settings], a.counts[failed])
	if a.merged < 600 {
		t.Errorf("only %d evaluations merged panes for every leaf, want 600", a.merged)
	}
}

// suite lets promqltest make a subtest of each file.
type suite struct{ *testing.T }

// outcome is how an evaluation of the suite was served.
type outcome int

const (
	incremental outcome = iota
	batch
	refused     // by flowdef
	unsupported // samples that are not stored: native histograms, start timestamps, before the epoch
	settings    // the engine itself says something else without the suite's settings
	failed      // the expression is an error, and here too
)

// adapter is a query engine that computes what it can through this package.
type adapter struct {
	tb      testing.TB
	rng     *rand.Rand
	eval    *promeval.Engine
	test    *promql.Engine // with the settings of the suite
	stock   *promql.Engine // with those of a stock Prometheus
	written map[string]bool
	counts  map[outcome]int
	merged  int
	last    string // the instant evaluation that the next range query repeats
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
	got, how, merged := q.compute(ctx, want)
	if q.counted {
		q.a.counts[how]++
		if merged {
			q.a.merged++
		}
	}
	if got == nil {
		return want
	}
	return &promql.Result{Value: got, Warnings: want.Warnings}
}

func (q *adapted) compute(ctx context.Context, want *promql.Result) (got parser.Value, how outcome, merged bool) {
	c, ok := q.compile()
	if !ok {
		return nil, refused, false
	}
	if q.isRange && (strings.Contains(q.String(), "start()") || strings.Contains(q.String(), "end()")) {
		return nil, refused, false // they are not the end of each window
	}
	same, err := q.sameAsStock(ctx, want)
	if err != nil {
		q.a.tb.Error(err)
	}
	if !same {
		return nil, settings, false
	}
	how = incremental
	if c.Batch {
		how = batch
	}
	var vectors []promeval.Vector
	for t := q.start; t <= q.end; t += q.step {
		vec, many, err := q.window(ctx, t)
		switch {
		case errors.Is(err, errUnsupported):
			return nil, unsupported, false
		case err != nil && want.Err != nil:
			return nil, failed, false
		case err != nil:
			q.a.tb.Errorf("%s at %d: %v", q.String(), t, err)
			return nil, how, false
		}
		vectors = append(vectors, vec)
		merged = merged || many
	}
	if want.Err != nil {
		q.a.tb.Errorf("%s from %d: no error, want %v", q.String(), q.start, want.Err)
		return nil, how, false
	}
	return q.value(vectors, want), how, merged && how == incremental
}

// compile takes the expression apart for windows that end at q.start.
func (q *adapted) compile() (c flowdef.Compiled, ok bool) {
	c, _, err := flowdef.Compile(q.String(), 60_000)
	return c, err == nil
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

// window computes the expression at t, with panes of a random width.
func (q *adapted) window(ctx context.Context, t int64) (vec promeval.Vector, merged bool, err error) {
	if t < 0 {
		return nil, false, errUnsupported
	}
	c := q.cut(t)
	if c.Batch {
		sel := &selection{at: map[segment.SeriesID]int{}}
		for i := range c.Leaves {
			m, raw, err := q.read(ctx, &c.Leaves[i], t)
			if err != nil {
				return nil, false, err
			}
			sel.add(m, raw)
		}
		samples := make(promeval.Samples, len(sel.series))
		for i := range sel.series {
			samples[i] = sel.series[i].Series
		}
		vec, err = q.a.eval.Whole(ctx, q.String(), samples, t)
		return vec, false, err
	}
	merged = true
	vectors := make([]promeval.Vector, len(c.Leaves))
	for i := range c.Leaves {
		l := &c.Leaves[i]
		m, raw, err := q.read(ctx, l, t)
		if err != nil {
			return nil, false, err
		}
		b, err := builderOf(l)
		if err != nil {
			return nil, false, err
		}
		after, upTo := t-l.Offset-l.Range, t-l.Offset
		panes := b.panes(after, nil)
		raw.foldInto(panes, len(m.groupOf))
		merged = merged && len(panes.occupied()) > 1
		samples, err := leafVector(panes, m, after, upTo, allGroups())
		if err != nil {
			return nil, false, err
		}
		for _, s := range samples {
			vectors[i] = append(vectors[i], promeval.Sample{Metric: m.groups[s.group].labels, Value: s.value})
		}
	}
	vec, err = q.a.eval.Residual(ctx, c.Residual, vectors, t)
	return vec, merged, err
}

// cut compiles the expression for a random step that t is a multiple of, so
// that windows are cut into panes in another way each time.
func (q *adapted) cut(t int64) flowdef.Compiled {
	base := t
	if base == 0 {
		base = 60_000
	}
	for range 50 {
		k := 1 + q.a.rng.Int64N(200)
		if base%k != 0 {
			continue
		}
		c, _, err := flowdef.Compile(q.String(), base/k)
		if err == nil && (c.Batch || c.Mode() == flowdef.ModeIncremental) {
			return c
		}
	}
	c, _, err := flowdef.Compile(q.String(), base)
	if err != nil {
		panic(err) // it compiled for a minute
	}
	return c
}

// read is what the leaf selects in the window that ends at t.
func (q *adapted) read(ctx context.Context, l *flowdef.Leaf, t int64) (*members, *rawColumns, error) {
	after, upTo := t-l.Offset-l.Range, t-l.Offset
	querier, err := q.from.Querier(after+1, upTo)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = querier.Close() }()
	m, raw := newMembers(l), &rawColumns{}
	set := querier.Select(ctx, true, nil, l.Matchers...)
	for set.Next() {
		ts, vs, err := floats(set.At().Iterator(nil), after, upTo)
		if err != nil {
			return nil, nil, err
		}
		series := segment.Series{ID: segment.SeriesID(len(m.series) + 1), Metric: 1}
		set.At().Labels().Range(func(x labels.Label) {
			series.Labels = append(series.Labels, segment.Label{Name: x.Name, Value: x.Value})
		})
		if l.Func == flowdef.FuncSamples {
			series.ID = q.a.idOf(set.At().Labels())
		}
		if !m.add(&series) {
			return nil, nil, fmt.Errorf("leaf %s does not take series %s", l.Text, set.At().Labels())
		}
		raw.slot = append(raw.slot, m.slots[len(m.slots)-1])
		raw.ts, raw.vs = append(raw.ts, ts), append(raw.vs, vs)
	}
	return m, raw, set.Err()
}

// idOf gives a series of any leaf one id.
func (a *adapter) idOf(lset labels.Labels) segment.SeriesID {
	return segment.SeriesID(lset.Hash() % 1_000_003)
}

// floats reads the samples with after < t <= upTo.
func floats(it chunkenc.Iterator, after, upTo int64) (ts []int64, vs []float64, err error) {
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if t := it.AtT(); t <= after || t > upTo {
			continue
		} else if kind != chunkenc.ValFloat || it.AtST() != 0 || t < 0 {
			return nil, nil, errUnsupported
		}
		t, v := it.At()
		ts, vs = append(ts, t), append(vs, v)
	}
	return ts, vs, it.Err()
}

// value is the vectors in the form of the engine's value.
func (q *adapted) value(vectors []promeval.Vector, want *promql.Result) parser.Value {
	if q.isRange {
		return q.matrix(vectors)
	}
	if _, ok := want.Value.(promql.Scalar); ok {
		return promql.Scalar{T: q.start, V: vectors[0][0].Value}
	}
	out := make(promql.Vector, len(vectors[0]))
	for i, s := range vectors[0] {
		out[i] = promql.Sample{Metric: s.Metric, T: q.start, F: s.Value}
	}
	return out
}

func (q *adapted) matrix(vectors []promeval.Vector) promql.Matrix {
	var out promql.Matrix
	at := map[string]int{}
	for i, vec := range vectors {
		for _, s := range vec {
			key := s.Metric.String()
			n, ok := at[key]
			if !ok {
				n = len(out)
				at[key] = n
				out = append(out, promql.Series{Metric: s.Metric})
			}
			out[n].Floats = append(out[n].Floats, promql.FPoint{T: q.start + int64(i)*q.step, F: s.Value})
		}
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return out
}
