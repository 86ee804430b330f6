package shorthand_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowfile/shorthand"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
)

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		`sum by (stack, le) (m{service="x"}[2m])`: `sum by (stack, le) (sum_over_time(m{service="x"}[2m] offset 1ms))`,
		`count(m[2m] offset 1m)`:                  `sum(count_over_time(m[2m] offset 1m1ms))`,
		`min without (a) ((m[2m] offset -1s))`:    `min without (a) (min_over_time(m[2m] offset -999ms))`,
		`max(m[2m]) - min(m[2m])`:                 `max(max_over_time(m[2m] offset 1ms)) - min(min_over_time(m[2m] offset 1ms))`,
		`avg by (a) (m[2m]) > 1`:                  `(sum by (a) (sum_over_time(m[2m] offset 1ms)) / sum by (a) (count_over_time(m[2m] offset 1ms))) > 1`,
		`increase by (a) (m[2m])`:                 `sum by (a) (increase_pure(m[2m] offset 1ms))`,
		`increase(m[2m]) by (a)`:                  `sum by (a) (increase_pure(m[2m] offset 1ms))`,
		`sum2 by (a) (m[2m])`: `sum by (a) (sum by (a) (increase_pure(m[2m] offset 1ms)) or ` +
			`label_replace(last_over_time(f[4m]), "__previous__", "1", "", ""))`,
		`sum2(m[30s])`: `sum(sum(increase_pure(m[30s] offset 1ms)) or ` +
			`label_replace(last_over_time(f[1m]), "__previous__", "1", "", ""))`,
		`(sum2 without (a) (m[2m])) # total`: `sum without (__previous__) (sum without (a) (increase_pure(m[2m] offset 1ms)) or ` +
			`label_replace(last_over_time(f[4m]), "__previous__", "1", "", ""))`,
		// What is PromQL, and what is neither.
		`increase(m[2m])`:                   `increase(m[2m])`,
		`sum by (a) (increase(m[2m]))`:      `sum by (a) (increase(m[2m]))`,
		`sum2`:                              `sum2`,
		`rate(sum2[5m])`:                    `rate(sum2[5m])`,
		`sum by (sum2, increase) (m)`:       `sum by (sum2, increase) (m)`,
		`sum(`:                              `sum(`,
		`topk(3, sum by (a) (rate(m[2m])))`: `topk(3, sum by (a) (rate(m[2m])))`,
	} {
		got, step, err := shorthand.Expand(text, "f", 0)
		if err != nil || got != want {
			t.Errorf("%s is\n\t%s, %v, want\n\t%s", text, got, err, want)
		}
		if total := len(text) > 4 && want != text && (text[0] == '(' || text[:4] == "sum2"); total != (step != 0) {
			t.Errorf("%s has the step %d", text, step)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]struct {
		every int64
		fault shorthand.Error
	}{
		`stddev(m[2m])`:                      {0, shorthand.Error{Pos: 0, Message: "stddev over a range vector has no meaning: want sum, count, min, max, avg, sum2 and increase, or a function over the range, such as stddev(avg_over_time(x[5m]))"}},
		`1 + sum2(m[2m])`:                    {0, shorthand.Error{Pos: 4, Message: "sum2 cannot be a part of an expression: give the total a flow of its own, and read that by its name"}},
		`sum2(m[2m])`:                        {60_000, shorthand.Error{Pos: 0, Message: "sum2 adds up windows that stand side by side: leave `every` out, or make it the range, 2m"}},
		`sum2 by (a) (rate(m[2m]))`:          {0, shorthand.Error{Pos: 0, Message: "sum2 is for a range vector, as in sum2 by (job) (x[2m])"}},
		`sum2(m[5m]) without`:                {0, shorthand.Error{Pos: 19, Message: "unexpected end of input in grouping opts, expected \"(\""}},
		`max(m[2m]) - sum2(m[1m]) + nope(1)`: {0, shorthand.Error{Pos: 27, Message: "unknown function with name \"nope\""}},
		`nope(1) + sum2(m[1m])`:              {0, shorthand.Error{Pos: 0, Message: "unknown function with name \"nope\""}},
		`increase by (a) (rate(m[2m]))`:      {0, shorthand.Error{Pos: 0, Message: "increase is for a range vector, as in increase by (job) (x[2m])"}},
	} {
		_, _, err := shorthand.Expand(text, "f", want.every)
		var fault *shorthand.Error
		if !errors.As(err, &fault) || *fault != want.fault {
			t.Errorf("%s: %v, want %v", text, err, want.fault)
		}
	}
}

// TestSelfByName: a flow that is named as no metric is, or as an operator, finds itself.
func TestSelfByName(t *testing.T) {
	for name, want := range map[string]string{"a:b": "a:b", "my flow": `{__name__="my flow"}`, "sum": `{__name__="sum"}`, "start": `{__name__="start"}`} {
		got, _, err := shorthand.Expand("sum2(m[1m])", name, 0)
		text := fmt.Sprintf(`sum(sum(increase_pure(m[1m] offset 1ms)) or label_replace(last_over_time(%s[2m]), "__previous__", "1", "", ""))`, want)
		if err != nil || got != text {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestMeaning holds what is spelled out, evaluated by Prometheus's engine, to loops over the
// samples of [start, end).
func TestMeaning(t *testing.T) {
	const width = int64(120_000)
	engine := promeval.New()
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		var fleet promeval.Samples
		for n := range 1 + rnd.IntN(4) {
			s := promeval.Series{Labels: labels.FromStrings("__name__", "m", "g", fmt.Sprint(n%2), "n", fmt.Sprint(n))}
			at, v := 10*width-2*width+rnd.Int64N(width), 0.0
			for range rnd.IntN(30) {
				// Many stand on borders of windows.
				if at += 1000 * (1 + rnd.Int64N(20)); rnd.IntN(4) == 0 {
					at += 120_000 - at%120_000
				}
				if v += float64(rnd.IntN(20)); rnd.IntN(6) == 0 {
					v = float64(rnd.IntN(3))
				}
				s.Times, s.Values = append(s.Times, at), append(s.Values, v)
			}
			fleet = append(fleet, s)
		}
		for end := 9 * width; end < 14*width; end += width {
			for op, value := range model(fleet, end-width, end) {
				expr, _, err := shorthand.Expand(op+" by (g) (m[2m])", "f", 0)
				if err != nil {
					t.Fatal(err)
				}
				vec, err := engine.Whole(t.Context(), expr, fleet, end)
				if err != nil || len(vec) != len(value) {
					t.Fatalf("seed %d: %s at %d: %v, %v, want %v", seed, op, end, vec, err, value)
				}
				for _, got := range vec {
					if want := value[got.Metric.Get("g")]; !partialtest.Close(got.Value, want, 1e-9) {
						t.Errorf("seed %d: %s of %s at %d is %v, want %v", seed, op, got.Metric, end, got.Value, want)
					}
				}
			}
		}
	}
}

// model is what the aggregations are over [start, end), by group.
func model(fleet promeval.Samples, start, end int64) map[string]map[string]float64 {
	out := map[string]map[string]float64{"sum": {}, "count": {}, "min": {}, "max": {}, "avg": {}, "increase": {}}
	for _, s := range fleet {
		g, last := s.Labels.Get("g"), 0.0
		for i, t := range s.Times {
			v := s.Values[i]
			if t < start-300_000 || t >= end {
				continue
			}
			if t >= start {
				if out["count"][g] == 0 {
					out["min"][g], out["max"][g] = v, v
				}
				out["count"][g]++
				out["sum"][g] += v
				out["min"][g], out["max"][g] = min(out["min"][g], v), max(out["max"][g], v)
				if v < last {
					last = 0
				}
				out["increase"][g] += v - last
			}
			last = v
		}
	}
	for g, n := range out["count"] {
		out["avg"][g] = out["sum"][g] / n
	}
	return out
}
