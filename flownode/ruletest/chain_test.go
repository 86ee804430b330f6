package ruletest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowfile"
	"laminar/flownode/promeval"
	"laminar/flownode/ruletest"
	"laminar/sequence/segment"
)

// chain is rules that read rules, beside raw samples and alone, over instants, ranges,
// offsets and a subquery, one of them a rule that is evaluated after it.
var chain = []struct{ record, expr string }{
	{"early", "count(last) + sum(g)"},
	{"a:free", "max by (c, n) (g + h)"},
	{"a:ratio", "1 - a:free / max by (c, n) (total)"},
	{"b:ratio", "avg by (c) (a:ratio)"},
	{"b:max", "max_over_time(b:ratio[7m])"},
	{"b:grows", "b:max - b:ratio offset 2m"},
	{"c:mixed", "sum by (c) (sum_over_time(g[3m])) + on (c) b:ratio"},
	{"c:sub", "min_over_time(b:ratio[4m:1m])"},
	{"c:any", `sum by (c) ({__name__=~"[ab]:ratio|total"})`},
	{"last", "avg(avg_over_time(c:mixed[1h])) unless sum(b:max) > 1e9"},
}

// TestChains: at every evaluation, rules over rules have the values that Prometheus's engine
// gives when it evaluates one after the other, wherever the test begins: at 0, the
// default, the first windows reach back before time.
func TestChains(t *testing.T) {
	const every, evaluations = int64(60_000), 16
	var rules strings.Builder
	rules.WriteString("groups:\n- name: g\n  rules:\n")
	for _, r := range chain {
		fmt.Fprintf(&rules, "  - {record: '%s', expr: '%s'}\n", r.record, r.expr)
	}
	all, problems := flowfile.Read([]flowfile.Source{{File: "rules.yml", Data: []byte(rules.String()), Every: every}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, start := range []int64{0, every, 240_000, 1_700_000_040_000} {
		t.Run(fmt.Sprint(start), func(t *testing.T) {
			var inputs strings.Builder
			samples := chainInputs(rand.New(rand.NewPCG(uint64(start), 3)), &inputs, start, every, evaluations)
			var tests strings.Builder
			evaluateChain(t, samples, start, every, evaluations, func(record string, at int64, vec promeval.Vector) {
				fmt.Fprintf(&tests, "  - expr: '%s'\n    eval_time: %dms\n    exp_samples:\n", record, at)
				for _, s := range vec {
					metric := labels.NewBuilder(s.Metric).Set(model.MetricNameLabel, record).Labels()
					fmt.Fprintf(&tests, "    - {labels: '%s', value: %v}\n", metric, s.Value)
				}
			})
			file, err := ruletest.Read(fmt.Appendf(nil, "tests:\n- start_timestamp: %d\n  input_series:\n%s  promql_expr_test:\n%s", start/1000, inputs.String(), tests.String()))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(file.Tests[0].Exprs); n != len(chain)*evaluations {
				t.Fatalf("%d expectations, want %d", n, len(chain)*evaluations)
			}
			for _, err := range file.Run(t.Context(), &file.Tests[0], all.Flows) {
				t.Error(err)
			}
		})
	}
}

// chainInputs is random series, some with gaps and ends, in the notation of tests and as
// they are.
func chainInputs(rng *rand.Rand, text *strings.Builder, start, every int64, n int) promeval.Samples {
	var out promeval.Samples
	for _, name := range []string{"g", "h", "total"} {
		for _, of := range []string{"a1", "a2", "b1"} {
			x := promeval.Series{Labels: labels.FromStrings(model.MetricNameLabel, name, "c", of[:1], "n", of[1:])}
			fmt.Fprintf(text, "  - series: '%s{c=\"%s\", n=\"%s\"}'\n    values: '", name, of[:1], of[1:])
			for i := range n {
				at, value := start+int64(i)*every, float64(1+rng.IntN(100))
				switch p := rng.IntN(20); {
				case p == 0 && i > 0:
					text.WriteString("_ ")
					continue
				case p == 1 && i > 0:
					text.WriteString("stale ")
					value = segment.Stale()
				default:
					fmt.Fprintf(text, "%v ", value)
				}
				x.Times, x.Values = append(x.Times, at), append(x.Values, value)
			}
			text.WriteString("'\n")
			out = append(out, x)
		}
	}
	return out
}

// evaluateChain evaluates the rules as Prometheus does: at one time after the other, in
// their order, each writing what the next one reads, and a marker where a series ends.
func evaluateChain(t *testing.T, samples promeval.Samples, start, every int64, n int, use func(record string, at int64, vec promeval.Vector)) {
	t.Helper()
	engine := promeval.New()
	number := map[string]int{} // of series among the samples
	before := make([]promeval.Vector, len(chain))
	write := func(record string, metric labels.Labels, at int64, value float64) {
		lset := labels.NewBuilder(metric).Set(model.MetricNameLabel, record).Labels()
		i, ok := number[lset.String()]
		if !ok {
			i = len(samples)
			number[lset.String()] = i
			samples = append(samples, promeval.Series{Labels: lset})
		}
		x := &samples[i]
		if last := len(x.Times) - 1; last >= 0 && x.Times[last] == at {
			x.Values[last] = value
			return
		}
		x.Times, x.Values = append(x.Times, at), append(x.Values, value)
	}
	for at := start; at < start+int64(n)*every; at += every {
		for i, r := range chain {
			vec, err := engine.Whole(t.Context(), r.expr, samples, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range before[i] {
				write(r.record, s.Metric, at, segment.Stale())
			}
			for _, s := range vec {
				write(r.record, s.Metric, at, s.Value)
			}
			use(r.record, at-start, vec)
			before[i] = vec
		}
	}
}
