package promeval_test

import (
	"context"
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

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// tiedSamples is series of which most are equal to others at any time. Their values
// are small whole numbers, so that no sum depends on its order.
func tiedSamples(rng *rand.Rand) promeval.Samples {
	var out promeval.Samples
	for _, name := range []string{"a", "b"} {
		for n := range 12 {
			s := promeval.Series{Labels: labels.FromStrings("__name__", name,
				"x", fmt.Sprint(n%3), "y", fmt.Sprint(n/3), "z", fmt.Sprint((n*7)%12))}
			for at := minute; at <= 20*minute; at += minute {
				if rng.IntN(8) > 0 {
					s.Times, s.Values = append(s.Times, at), append(s.Values, float64(rng.IntN(2)))
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// tiedExpr is a random expression that may take one of several equal values.
func tiedExpr(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	if depth == 0 {
		return one(`a`, `b`, `max_over_time(a[3m])`, `count_over_time(b[2m])`, `max by (x, z) (a)`, `sum by (z) (b)`,
			`count by (y, z) (a offset 1m)`, `min without (x) (last_over_time(b[4m]))`, `{__name__=~"a|b"}`)
	}
	inner := tiedExpr(rng, depth-1)
	by := one("", "", " by (x)", " without (z)", " by (y)")
	switch rng.IntN(9) {
	case 0, 1, 2:
		return fmt.Sprintf("%s%s (%d, %s)", one("topk", "bottomk", "topk", "limitk"), by, 1+rng.IntN(3), inner)
	case 3:
		return fmt.Sprintf("%s%s (%s)", one("sum", "max", "count"), by, inner)
	case 4:
		return fmt.Sprintf("(%s) %s (%s)", inner, one("or", "unless on (x)", "and on (y)"), tiedExpr(rng, depth-1))
	case 5:
		return fmt.Sprintf("(%s) %s max by (x) (b)", inner, one("* on (x) group_left", "+ on (x) group_left", ">= on (x) group_left"))
	case 6:
		return fmt.Sprintf("%s((%s)[%dm:%s]%s)", one("sum_over_time", "max_over_time", "count_over_time", "last_over_time"), inner, 2+rng.IntN(4),
			one("", "30s", "1m", "90s"), one("", " offset 1m", fmt.Sprintf(" @ %d", 8*60), " @ end()", " @ start() offset -30s"))
	case 7:
		return fmt.Sprintf("%s(%s)", one("sort", "sort_desc", "abs", "-"), inner)
	default:
		return fmt.Sprintf("limitk%s (%d, %s(%s))", by, 1+rng.IntN(2), one("sort", "sort_desc"), inner)
	}
}

// permuted is the same series in another order.
func permuted(rng *rand.Rand, in promeval.Samples) promeval.Samples {
	out := slices.Clone(in)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestTiesFollowLabels: the order in which the engine gets series, and the leaves'
// values, never decides which of two equal ones is in a result, in an instant query
// and in a range.
func TestTiesFollowLabels(t *testing.T) {
	ctx, e := context.Background(), promeval.New()
	rounds := 1500
	if testing.Short() {
		rounds = 500
	}
	kept, tied := 0, 0
	for seed := range uint64(rounds) {
		rng := rand.New(rand.NewPCG(seed, 7))
		expr := tiedExpr(rng, 1+rng.IntN(3))
		samples := tiedSamples(rng)
		at := (4 + rng.Int64N(14)) * minute
		fail := func(what string, got, want any) {
			t.Helper()
			t.Fatalf("seed %d, %s at %d: %s: %v, before: %v", seed, expr, at, what, got, want)
		}
		want, wantErr := e.Whole(ctx, expr, permuted(rng, samples), at)
		for range 3 {
			got, err := e.Whole(ctx, expr, permuted(rng, samples), at)
			if (err == nil) != (wantErr == nil) || !sameVector(got, want) {
				fail("other order of series", got, want)
			}
		}
		if !strings.Contains(expr, "@") {
			got, err := e.WholeRange(ctx, expr, permuted(rng, samples), at-minute, at, minute)
			if err == nil && !sameVector(got[1], want) {
				fail("in a range", got[1], want)
			}
		}
		if ordered, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true}).ParseExpr(expr); err != nil {
			t.Fatal(err)
		} else if promeval.OrderMatters(ordered) {
			tied++
		}
		c, _, err := flowdef.Compile(expr, minute)
		if err != nil || c.Batch || wantErr != nil {
			continue
		}
		leaves, err := leafVectors(e, &c, permuted(rng, samples), at)
		if err != nil {
			continue
		}
		for _, vec := range leaves {
			rng.Shuffle(len(vec), func(i, j int) { vec[i], vec[j] = vec[j], vec[i] })
		}
		got, err := e.Residual(ctx, c.Residual, leaves, at)
		if err != nil || !sameVector(got, want) {
			fail(fmt.Sprintf("from leaves (%v)", err), got, want)
		}
		kept++
	}
	if kept < rounds/10 || tied < rounds/2 {
		t.Errorf("only %d of %d expressions have leaves and %d can have ties: they prove little", kept, rounds, tied)
	}
}

// sameVector compares two vectors as sets.
func sameVector(a, b promeval.Vector) bool {
	if len(a) != len(b) {
		return false
	}
	in := map[string]float64{}
	for _, s := range a {
		in[s.Metric.String()] = s.Value
	}
	for _, s := range b {
		if v, ok := in[s.Metric.String()]; !ok || !same(v, s.Value) {
			return false
		}
	}
	return true
}

// stock is Prometheus's engine as it is.
func stock() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: math.MaxInt, Timeout: time.Hour, EnableAtModifier: true, EnableNegativeOffset: true,
		Parser:                   parser.NewParser(parser.Options{EnableExperimentalFunctions: true}),
		NoStepSubqueryIntervalFn: func(int64) int64 { return minute },
	})
}

// TestTiesAsTheEngine: on series in the order of their labels a stock engine gives
// what is given here for any order, and where no two values are equal it always does.
func TestTiesAsTheEngine(t *testing.T) {
	ctx, e, engine := context.Background(), promeval.New(), stock()
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 9))
		tied := tiedSamples(rng)
		distinct := slices.Clone(tied)
		for i := range distinct {
			distinct[i].Values = slices.Clone(distinct[i].Values)
			for j := range distinct[i].Values {
				distinct[i].Values[j] = rng.Float64()
			}
		}
		for _, tc := range []struct {
			expr    string
			samples promeval.Samples
		}{
			{`topk(1, a)`, tied},
			{`bottomk by (x) (2, a)`, tied},
			{`limitk(3, b)`, tied},
			{`topk by (x) (1, max by (x, y) (a))`, tied},
			{`a * on (x) group_left (z) topk by (x) (1, max by (x, y, z) (b))`, tied},
			{`topk(2, sum by (x) (a)) or bottomk(1, max_over_time(b[3m]))`, tied},
			{`sum_over_time(topk(2, a)[5m:1m])`, tied},
			{`topk(2, a + on (x, y) b)`, distinct},
			{`limitk(3, sort_desc(a))`, distinct},
			{`max_over_time(topk(1, topk(3, a * 2))[5m:30s] offset 1m)`, distinct},
			{`sum_over_time(bottomk by (x) (1, max_over_time(topk(9, a * a)[3m:1m] offset 30s))[5m:90s] @ 600)`, distinct},
			{`count_over_time(topk(3, -a @ end())[4m:1m] @ end() offset -1m)`, distinct},
			{`absent_over_time(topk(1, a > 2)[5m:])`, distinct},
		} {
			for at := 5 * minute; at < 19*minute; at += 77_000 {
				sorted := slices.Clone(tc.samples)
				slices.SortFunc(sorted, func(a, b promeval.Series) int { return labels.Compare(a.Labels, b.Labels) })
				q, err := engine.NewInstantQuery(ctx, sorted, nil, tc.expr, time.UnixMilli(at))
				if err != nil {
					t.Fatal(err)
				}
				res := q.Exec(ctx)
				if res.Err != nil {
					t.Fatal(res.Err)
				}
				var want promeval.Vector
				for _, s := range res.Value.(promql.Vector) {
					want = append(want, promeval.Sample{Metric: s.Metric, Value: s.F})
				}
				q.Close()
				got, err := e.Whole(ctx, tc.expr, permuted(rng, tc.samples), at)
				if err != nil || !sameVector(got, want) {
					t.Fatalf("seed %d, %s at %d: %v (%v), the engine says %v", seed, tc.expr, at, got, err, want)
				}
			}
		}
	}
}

// BenchmarkTopk is what the order of ties costs a window of many groups.
func BenchmarkTopk(b *testing.B) {
	const groups = 100_000
	c, _, err := flowdef.Compile(`topk(5, sum by (instance, pod) (rate(requests_total[5m])))`, minute)
	if err != nil {
		b.Fatal(err)
	}
	inOrder := make(promeval.Vector, groups)
	for i := range inOrder {
		inOrder[i] = promeval.Sample{Metric: labels.FromStrings("instance", fmt.Sprintf("i%03d", i/1000), "pod", fmt.Sprintf("p%06d", i)), Value: float64(i % 1000)}
	}
	mixed := slices.Clone(inOrder)
	rand.New(rand.NewPCG(1, 1)).Shuffle(groups, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for name, vec := range map[string]promeval.Vector{"in order": inOrder, "mixed": mixed} {
		b.Run(name, func(b *testing.B) {
			e := promeval.New()
			for b.Loop() {
				if _, err := e.Residual(context.Background(), c.Residual, []promeval.Vector{vec}, minute); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
