package function_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/function"
	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/flownode/promfunc"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Every test here walks the table. What a new entry must do is in this file;
// that it is in the documents, in docs_test.go.

// TestEntriesAreComplete: no field is left out of which the zero value has no
// meaning, and every entry is found by its name.
func TestEntriesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range function.All() {
		traits := f.Partial()
		switch {
		case f.Name == "" || seen[f.Name]:
			t.Errorf("the name %q is empty or taken", f.Name)
		case traits.Name == "" || traits.CellBytes == 0:
			t.Errorf("%s is kept as no partial: %+v", f, traits)
		case f.Before != promfunc.ReadsBefore(f.Name):
			t.Errorf("%s: Before is %v, and the engine gives it what lies there: %v", f, f.Before, !f.Before)
		case f.Terms == 0:
			t.Errorf("%s has no terms", f)
		case f != function.Instant && function.Named(f.Name) != f:
			t.Errorf("%s is not found by its name", f)
		case function.Unkept(f.Name) != "":
			t.Errorf("%s is kept, and there is a reason why not", f)
		}
		for _, agg := range f.MergesUnder {
			if !slices.Contains(function.Aggregations(), agg) {
				t.Errorf("%s merges under %s, which is not kept", f, agg)
			}
		}
		seen[f.Name] = true
	}
	ops := map[partial.Agg]bool{partial.AggAny: true}
	for _, agg := range function.Aggregations() {
		switch {
		case agg.Name == "" || function.AggregationNamed(agg.Name) != agg:
			t.Errorf("aggregation %q is not found by its name", agg.Name)
		case ops[agg.Op]:
			t.Errorf("%s has the operation of another, or none", agg)
		case agg.Terms == 0:
			t.Errorf("%s has no terms", agg)
		}
		ops[agg.Op] = true
	}
	if function.Named("instant") != nil {
		t.Error("there is no function of the name instant")
	}
}

// TestEveryRangeFunctionIsKnown: each of Prometheus's functions over a range is
// kept, or has a reason why not.
func TestEveryRangeFunctionIsKnown(t *testing.T) {
	for name, fn := range parser.Functions {
		if !slices.Contains(fn.ArgTypes, parser.ValueTypeMatrix) {
			continue
		}
		if function.Named(name) == nil && function.Unkept(name) == "" {
			t.Errorf("%s is neither kept nor is there a reason why not", name)
		}
	}
	for _, f := range function.All() {
		if _, ok := parser.Functions[f.Name]; !ok && f != function.Instant {
			t.Errorf("%s is no function of Prometheus", f)
		}
	}
}

// probe is a function with its kind of partial hidden: what it says of samples
// that are folded in stretches; before are those before the range.
type probe struct {
	value func(before, stretches [][]partialtest.Sample, w function.Window) (float64, bool)
	laws  func(t *testing.T)
}

// prober is the function.Keeper that makes a probe.
type prober struct {
	f *function.Function
	probe
}

func (k *prober) Simple(use function.Use[partial.Simple])         { probeOf(k, use) }
func (k *prober) Moments(use function.Use[partial.Moments])       { probeOf(k, use) }
func (k *prober) Counter(use function.Use[partial.Counter])       { probeOf(k, use) }
func (k *prober) Distinct(use function.Use[partial.Distinct])     { probeOf(k, use) }
func (k *prober) Seen(use function.Use[partial.Seen])             { probeOf(k, use) }
func (k *prober) Last(use function.Use[partial.Last])             { probeOf(k, use) }
func (k *prober) First(use function.Use[partial.First])           { probeOf(k, use) }
func (k *prober) Pair(use function.Use[partial.Pair])             { probeOf(k, use) }
func (k *prober) Turns(use function.Use[partial.Turns])           { probeOf(k, use) }
func (k *prober) Regression(use function.Use[partial.Regression]) { probeOf(k, use) }

func probeOf[P any, PP partial.Cell[P]](k *prober, use function.Use[P]) {
	f := k.f
	fold := func(p *P, samples []partialtest.Sample) {
		for _, s := range samples {
			if use.Markers || !segment.IsStale(s.V) {
				PP(p).Add(s.T, s.V)
			}
		}
	}
	merge := func(stretches [][]partialtest.Sample) *P {
		var all P
		for _, samples := range stretches {
			var p P
			fold(&p, samples)
			PP(&all).Merge(&p)
		}
		return &all
	}
	k.value = func(before, stretches [][]partialtest.Sample, w function.Window) (float64, bool) {
		if f.Before {
			return use.Since(merge(stretches), merge(before), w)
		}
		return use.Finish(merge(stretches), w)
	}
	k.laws = func(t *testing.T) {
		t.Helper()
		if _, ok := use.Finish(new(P), function.Window{Span: sequence.Span{UpTo: 1}, End: 1}); ok {
			t.Error("there is a value for no sample")
		}
		partialtest.KindLaws[P, PP](t, use.Kind)
		values := func(p *P, after, upTo int64) []float64 {
			v, ok := use.Finish(p, function.Window{Span: sequence.Span{After: after, UpTo: upTo}, End: upTo, Param: param})
			if !ok {
				v = math.NaN()
			}
			return []float64{v}
		}
		partialtest.Laws[P, PP](t, partialtest.Kind[P]{
			Commutes: !use.Kind.Ordered,
			Samples:  series,
			Seeds:    1_000,
			Values:   values,
			Naive: func(samples []partialtest.Sample, after, upTo int64) (want, bounds []float64) {
				var p P
				for _, s := range samples {
					PP(&p).Add(s.T, s.V)
				}
				want = values(&p, after, upTo)
				return want, []float64{bound(f, nil, want[0], floats(samples))}
			},
		})
	}
}

func probed(f *function.Function) probe {
	k := prober{f: f}
	f.Keep(&k)
	return k.probe
}

// TestPartialsKeepTheirLaws: whatever a function is kept as, in whatever
// stretches, it has one value.
func TestPartialsKeepTheirLaws(t *testing.T) {
	for _, f := range append(function.All(), function.Seen) {
		t.Run(f.Name, probed(f).laws)
	}
}

// param is the argument of functions that take one, in seconds.
const param = 60.0

// call is the function in PromQL, over the metric m and a range in ms.
func call(f *function.Function, rng int64) string {
	if f == function.Instant {
		return "m"
	}
	if f.Of != "" {
		return fmt.Sprintf("%s(%s(m[%dms]))", f.Name, f.Of, rng)
	}
	if len(parser.Functions[f.Name].ArgTypes) == 2 {
		return fmt.Sprintf("%s(m[%dms], %v)", f.Name, rng, param)
	}
	return fmt.Sprintf("%s(m[%dms])", f.Name, rng)
}

// bound is how far a function's value under an aggregation may be from
// Prometheus's.
func bound(f *function.Function, agg *function.Aggregation, want float64, series ...[]float64) float64 {
	rounding := function.RoundingOf(f, agg)
	for _, values := range series {
		rounding.Series(values)
	}
	larger := math.Abs(want)
	if math.IsNaN(want) || math.IsInf(want, 0) {
		larger = 1
	}
	return max(function.Relative*larger, rounding.Slack(larger))
}

func floats(samples []partialtest.Sample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s.V
	}
	return out
}

// series is samples as a scrape makes them, of counters with resets, of gauges
// around zero and of values that stay, with NaN, infinities and stale markers
// among some: numbers of one size, as the bound is about rounding and not about
// overflow.
func series(rnd *rand.Rand, n int, after int64) []partialtest.Sample {
	out := make([]partialtest.Sample, rnd.IntN(n+1))
	shape, odd := rnd.IntN(3), rnd.IntN(4) == 0
	t, v := after, float64(rnd.IntN(1000))
	for i := range out {
		t += 5_000 + rnd.Int64N(10_000)
		switch shape {
		case 0:
			if v += 50 * rnd.Float64(); rnd.IntN(8) == 0 {
				v = float64(rnd.IntN(3))
			}
		case 1:
			v = rnd.NormFloat64() * 1e3
		}
		out[i] = partialtest.Sample{T: t, V: v}
		if odd {
			switch rnd.IntN(10) {
			case 0:
				out[i].V = math.NaN()
			case 1:
				out[i].V = math.Inf(1 - 2*rnd.IntN(2))
			}
		}
	}
	return out
}

// marked is series with stale markers.
func marked(rnd *rand.Rand, n int, after int64) []partialtest.Sample {
	out := series(rnd, n, after)
	for i := range out {
		if rnd.IntN(6) == 0 {
			out[i].V = segment.Stale()
		}
	}
	return out
}

// cut splits samples into stretches.
func cut(rnd *rand.Rand, samples []partialtest.Sample) [][]partialtest.Sample {
	var out [][]partialtest.Sample
	for len(samples) > 0 {
		n := 1 + rnd.IntN(len(samples))
		out, samples = append(out, samples[:n]), samples[n:]
	}
	return out
}

// stored is samples as the engine reads them.
func stored(n int, samples []partialtest.Sample) promeval.Series {
	s := promeval.Series{Labels: labels.FromStrings("__name__", "m", "n", fmt.Sprint(n))}
	for _, x := range samples {
		s.Times, s.Values = append(s.Times, x.T), append(s.Values, x.V)
	}
	return s
}

// TestValuesAreTheEngines compares every function with Prometheus's engine, on
// windows that end behind, at and between samples: the value (F2), whether
// stale markers count, and whether the metric name stays.
func TestValuesAreTheEngines(t *testing.T) {
	const rng, after, lookback = int64(300_000), int64(1_000_000), flowdef.DefaultLookback
	engine := promeval.New()
	for _, f := range function.All() {
		t.Run(f.Name, func(t *testing.T) {
			p, values := probed(f), 0
			for seed := range uint64(400) {
				rnd := rand.New(rand.NewPCG(seed, 29))
				samples := marked(rnd, 30, after)
				if f.Before { // and before its range, also further back than it looks
					samples = marked(rnd, 200, after-2*lookback)
				}
				upTo := after + rng
				within, before := samples[:0:0], samples[:0:0]
				for _, s := range samples {
					switch {
					case after < s.T && s.T <= upTo:
						within = append(within, s)
					case after-lookback < s.T && s.T <= after:
						before = append(before, s)
					}
				}
				got, ok := p.value(cut(rnd, before), cut(rnd, within), function.Window{Span: sequence.Span{After: after, UpTo: upTo}, End: upTo, Param: param})
				want, err := engine.Whole(context.Background(), call(f, rng), promeval.Samples{stored(0, samples)}, upTo)
				if err != nil {
					t.Fatal(err)
				}
				if ok != (len(want) == 1) {
					t.Fatalf("seed %d: value %v, %v, want %v, of %v", seed, got, ok, want, within)
				}
				if !ok {
					continue
				}
				values++
				if v := want[0].Value; !partialtest.Within(got, v, bound(f, nil, v, floats(within), floats(before))) {
					t.Fatalf("seed %d: value %v, want %v, of %v behind %v", seed, got, v, within, before)
				}
				if keeps := want[0].Metric.Has("__name__"); keeps != f.KeepsName {
					t.Fatalf("Prometheus's result is %s, and KeepsName is %v", want[0].Metric, f.KeepsName)
				}
			}
			if values < 100 {
				t.Errorf("%d windows with a value prove nothing", values)
			}
		})
	}
}

// TestAlways holds F4, of the functions that say so and of Seen, and that those which do
// not have a reason.
func TestAlways(t *testing.T) {
	const rng, after = int64(300_000), int64(1_000_000)
	window := function.Window{Span: sequence.Span{After: after, UpTo: after + rng}, End: after + rng, Param: param}
	for _, f := range append(function.All(), function.Seen) {
		missing := 0
		for seed := range uint64(300) {
			rnd := rand.New(rand.NewPCG(seed, 41))
			samples := marked(rnd, 3, after)
			present := slices.ContainsFunc(samples, func(s partialtest.Sample) bool { return !segment.IsStale(s.V) })
			_, ok := probed(f).value(nil, cut(rnd, samples), window)
			if f.Always() && ok != present {
				t.Fatalf("%s, seed %d: a value: %v, of %v", f, seed, ok, samples)
			}
			if ok != present {
				missing++
			}
		}
		if !f.Always() && missing == 0 && !f.KeepsName {
			t.Errorf("%s has a value wherever there is a sample, and its entry does not say so", f)
		}
	}
}

// TestWindowEnd: a function that is not FromEnd has one value whatever the
// offset; one that is has Prometheus's with an offset.
func TestWindowEnd(t *testing.T) {
	const rng, after, offset = int64(300_000), int64(1_000_000), int64(120_000)
	engine := promeval.New()
	for _, f := range function.All() {
		p := probed(f)
		depends := false
		for seed := range uint64(50) {
			rnd := rand.New(rand.NewPCG(seed, 31))
			samples := series(rnd, 20, after)
			w := function.Window{Span: sequence.Span{After: after, UpTo: after + rng}, End: after + rng, Param: param}
			a, ok := p.value(nil, cut(rnd, samples), w)
			w.End += offset
			b, _ := p.value(nil, cut(rnd, samples), w)
			if !ok || math.IsNaN(a) {
				continue
			}
			depends = depends || !partialtest.Within(a, b, bound(f, nil, a, floats(samples)))
			if f.FromEnd {
				expr := fmt.Sprintf("%s(m[%dms] offset %dms, %v)", f.Name, rng, offset, param)
				want, err := engine.Whole(context.Background(), expr, promeval.Samples{stored(0, samples)}, w.End)
				if err != nil || len(want) != 1 || !partialtest.Within(b, want[0].Value, bound(f, nil, b, floats(samples))) {
					t.Fatalf("%s, seed %d: %s at %d is %v, want %v, %v", f, seed, expr, w.End, b, want, err)
				}
			}
		}
		if depends && !f.FromEnd {
			t.Errorf("%s counts from the window's end, and its entry does not say so", f)
		}
	}
}

// TestMergesUnder holds F3 against the engine's aggregation.
func TestMergesUnder(t *testing.T) {
	const rng, after = int64(300_000), int64(1_000_000)
	engine := promeval.New()
	for _, f := range function.All() {
		for _, agg := range f.MergesUnder {
			for seed := range uint64(200) {
				var (
					rnd       = rand.New(rand.NewPCG(seed, 37))
					stretches [][]partialtest.Sample
					fleet     promeval.Samples
					values    [][]float64
				)
				for n := range 1 + rnd.IntN(4) {
					samples := series(rnd, 15, after)
					stretches = append(stretches, samples)
					fleet, values = append(fleet, stored(n, samples)), append(values, floats(samples))
				}
				got, ok := probed(f).value(nil, stretches, function.Window{Span: sequence.Span{After: after, UpTo: after + rng}, End: after + rng})
				expr := fmt.Sprintf("%s(%s)", agg, call(f, rng))
				if f.Of != "" {
					expr = fmt.Sprintf("%s(%s(%s(m[%dms])))", f.Name, agg, f.Of, rng)
				}
				want, err := engine.Whole(context.Background(), expr, fleet, after+rng)
				if err != nil || ok != (len(want) == 1) {
					t.Fatalf("%s, seed %d: value %v, %v, want %v, %v", expr, seed, got, ok, want, err)
				}
				if ok && !partialtest.Within(got, want[0].Value, bound(f, agg, want[0].Value, values...)) {
					t.Fatalf("%s, seed %d: value %v, want %v", expr, seed, got, want[0].Value)
				}
			}
		}
	}
}

// TestAggregationsAreTheEngines: the operation of each is the one of its name.
func TestAggregationsAreTheEngines(t *testing.T) {
	engine := promeval.New()
	for _, agg := range function.Aggregations() {
		a := agg.Aggregator()
		var fleet promeval.Samples
		var values [][]float64
		for n, v := range []float64{3, -1.5, 7, 0.25, 3} {
			a.Add(v)
			fleet, values = append(fleet, stored(n, []partialtest.Sample{{T: 1000, V: v}})), append(values, []float64{v})
		}
		want, err := engine.Whole(context.Background(), agg.Name+"(m)", fleet, 1000)
		if err != nil || len(want) != 1 {
			t.Fatalf("%s: %v, %v", agg, want, err)
		}
		if v := want[0].Value; !partialtest.Within(a.Result(), v, bound(function.Instant, agg, v, values...)) {
			t.Errorf("%s is %v, want %v", agg, a.Result(), v)
		}
	}
	var none *function.Aggregation
	a := none.Aggregator()
	if a.Add(5); a.Result() != 5 {
		t.Errorf("without an aggregation the one value 5 is %v", a.Result())
	}
}
