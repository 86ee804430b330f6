package promfunc_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/flownode/promfunc"
	"laminar/sequence/segment"
)

// counter is samples of a counter every 10 s or so, from after on, with resets, gaps longer
// than the lookback, and stale markers.
func counter(rnd *rand.Rand, n int, after int64) promeval.Series {
	s := promeval.Series{Labels: labels.FromStrings("__name__", "m")}
	t, v := after, float64(rnd.IntN(100))
	for range n {
		t += 1 + rnd.Int64N(20_000)
		switch rnd.IntN(20) {
		case 0:
			t += lookback + rnd.Int64N(60_000)
		case 1, 2:
			v = float64(rnd.IntN(4))
		default:
			v += float64(rnd.IntN(50))
		}
		x := v
		if rnd.IntN(15) == 0 {
			x = segment.Stale()
		}
		s.Times, s.Values = append(s.Times, t), append(s.Values, x)
	}
	return s
}

const lookback = int64(300_000)

// naive is how much a counter grew in (after, upTo], sample by sample; ok is false without
// a sample there.
func naive(s promeval.Series, after, upTo, back int64) (grown float64, ok bool) {
	last := 0.0
	for i, t := range s.Times {
		v := s.Values[i]
		if segment.IsStale(v) || t > upTo || t <= after-back {
			continue
		}
		if t > after {
			if ok = true; v >= last {
				grown += v - last
			} else {
				grown += v
			}
		}
		last = v
	}
	return grown, ok
}

// TestIncreasePure holds the engine's function to the naive one, over ranges and offsets,
// at one time and at many.
func TestIncreasePure(t *testing.T) {
	values := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		series := counter(rnd, 100, 10_000_000)
		back := lookback / (1 + rnd.Int64N(3))
		engine := promeval.New().WithLookback(back)
		rng, offset := 1000*(1+rnd.Int64N(400)), rnd.Int64N(120_000)-60_000
		expr := fmt.Sprintf("increase_pure(m[%dms] offset %dms)", rng, offset)
		start, step := 10_000_000+rnd.Int64N(1_000_000), 1+rnd.Int64N(60_000)
		many, err := engine.WholeRange(t.Context(), expr, promeval.Samples{series}, start, start+20*step, step)
		if err != nil {
			t.Fatal(err)
		}
		for i, vec := range many {
			at := start + int64(i)*step
			want, ok := naive(series, at-offset-rng, at-offset, back)
			one, err := engine.Whole(t.Context(), expr, promeval.Samples{series}, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []promeval.Vector{vec, one} {
				if ok != (len(got) == 1) || ok && !partialtest.Close(got[0].Value, want, 1e-9) {
					t.Fatalf("seed %d: %s at %d, lookback %d: %v, want %v, %v", seed, expr, at, back, got, want, ok)
				}
			}
			if ok {
				values++
			}
		}
	}
	if values < 1000 {
		t.Errorf("%d values prove nothing", values)
	}
}

// TestIncreasePureAddsUp: ranges that touch give what one range gives, where samples are
// no further apart than the lookback.
func TestIncreasePureAddsUp(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		series := counter(rnd, 60, 10_000_000)
		last := series.Times[len(series.Times)-1]
		engine := promeval.New().WithLookback(1 << 40)
		sum, end := 0.0, int64(10_000_000)
		for end < last {
			width := 1 + rnd.Int64N(90_000)
			end += width
			vec, err := engine.Whole(t.Context(), fmt.Sprintf("increase_pure(m[%dms])", width), promeval.Samples{series}, end)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range vec {
				sum += s.Value
			}
		}
		if want, _ := naive(series, 0, end, 1<<40); !partialtest.Close(sum, want, 1e-6) {
			t.Fatalf("seed %d: the parts are %v, the whole %v", seed, sum, want)
		}
	}
}

// TestNested: in a subquery, and at a fixed time, the function looks before its range, too.
func TestNested(t *testing.T) {
	series := promeval.Series{
		Labels: labels.FromStrings("__name__", "m"),
		Times:  []int64{60_000, 120_000, 180_000}, Values: []float64{10, 14, 3},
	}
	for expr, want := range map[string]float64{
		`increase_pure(m[1m])`:                               3,
		`increase_pure(m[1m] offset 1m)`:                     4,
		`increase_pure(m[1m] offset 2m)`:                     10,
		`increase_pure(m[3m])`:                               17,
		`max_over_time(increase_pure(m[1m])[2m:1m])`:         4,
		`sum_over_time(increase_pure(m[1m])[3m:1m])`:         17,
		`increase_pure(m[1m] @ 120)`:                         4,
		`sum(increase_pure((m[1m]))) + increase_pure(m[2m])`: 10,
	} {
		vec, err := promeval.New().Whole(t.Context(), expr, promeval.Samples{series}, 180_000)
		if err != nil || len(vec) != 1 || vec[0].Value != want {
			t.Errorf("%s is %v, %v, want %v", expr, vec, err, want)
		}
	}
}

// TestNothingBeforeSubqueries: what looks before its range is not applied to a subquery, in
// which every series would count from 0.
func TestNothingBeforeSubqueries(t *testing.T) {
	p := promfunc.Parser(parser.NewParser(parser.Options{}))
	for expr, want := range map[string]string{
		"increase_pure(m[5m])":                       "",
		"sum(increase_pure((m[5m])))":                "",
		"rate(m[5m:1m])":                             "",
		"max_over_time(increase_pure(m[5m])[1h:1m])": "",
		"1 + increase_pure(m[5m:1m])":                "1:19: parse error: increase_pure is for selectors, as there is nothing before the range of a subquery",
		"increase_pure(rate(m[1m])[5m:])":            "1:15: parse error: increase_pure is for selectors, as there is nothing before the range of a subquery",
	} {
		_, err := p.ParseExpr(expr)
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s: %s, want %q", expr, got, want)
		}
	}
}
