package round_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowgraph"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// ownResults is expressions that read what they gave before, with one place for the name
// of their rule and others for what they read beside it.
var ownResults = []string{
	// a running total
	"sum by (job) (%[2]s) + on (job) (%[1]s offset 1m or on (job) 0 * sum by (job) (%[2]s))",
	// what was once seen stays
	"max by (job) (%[2]s) or %[1]s",
	// a moving average
	"0.5 * (max by (job) (%[2]s) + on (job) %[1]s) or max by (job) (%[2]s)",
	// ranges, over several names, and a share that dies away
	"sum by (job) (%[2]s) + on (job) 0.1 * (max_over_time(%[1]s[4m]) or on (job) 0 * sum by (job) (%[2]s))",
	`sum by (job) (%[2]s) unless on (job) (count by (job) ({__name__=~"%[1]s|%[2]s"}) > 5)`,
	"max by (job) (%[2]s) unless on (job) (changes(%[1]s[6m]) > 1)",
}

// randomGroups is rule groups whose rules read raw metrics, each other without a circle,
// up to a depth of five, and themselves. In its group a rule may stand before what it
// reads.
func randomGroups(rng *rand.Rand) string {
	type rule struct{ name, expr string }
	raw := []string{
		"sum by (job, instance) (rate(requests_total[2m]))", "max by (job, instance) (temperature)",
		"sum by (job) (increase(errors_total[3m] offset 1m))",
	}
	over := []string{
		"sum by (job) (%s)", "avg_over_time(%s[5m])", "max by (job) (max_over_time(%s[4m]))", "last_over_time(%s[3m])",
		"sum by (job) (sum_over_time(%s[7m])) / 3", "count by (job) (%s offset 2m)", "max_over_time(sum by (job) (%s)[4m:1m])",
		"min_over_time(%s[90s])", "stddev_over_time(%s[5m] offset 30s) + %s",
		"sum by (job) (%s) + on (job) sum by (job) (temperature)", "min by (job) (%s) unless on (job) (sum by (job) (errors_total) < 3)",
	}
	groups := make([][]rule, 1+rng.IntN(3))
	var names []string
	depth := map[string]int{}
	for n := range 9 {
		r := rule{name: fmt.Sprintf("r%d:x", n), expr: raw[rng.IntN(len(raw))]}
		if n > 0 && rng.IntN(5) > 0 {
			if parent := names[rng.IntN(len(names))]; depth[parent] < 5 {
				r.expr, depth[r.name] = strings.ReplaceAll(over[rng.IntN(len(over))], "%s", parent), depth[parent]+1
			}
		}
		if rng.IntN(4) == 0 {
			below := "errors_total"
			if n > 0 && rng.IntN(2) == 0 {
				below = names[rng.IntN(len(names))]
			}
			r.expr, depth[r.name] = fmt.Sprintf(ownResults[rng.IntN(len(ownResults))], r.name, below), depth[below]+1
		}
		names = append(names, r.name)
		g := rng.IntN(len(groups))
		at := rng.IntN(len(groups[g]) + 1) // anywhere in the group
		groups[g] = slices.Insert(groups[g], at, r)
	}
	var out strings.Builder
	out.WriteString("groups:\n")
	for g, rules := range groups {
		fmt.Fprintf(&out, "- name: g%d\n  interval: %s\n  rules:\n", g, []string{"1m", "30s", "2m"}[rng.IntN(3)])
		for _, r := range rules {
			fmt.Fprintf(&out, "  - {record: '%s', expr: '%s'}\n", r.name, r.expr)
		}
	}
	return out.String()
}

// TestRuleGroups computes random rule groups as Prometheus evaluates them: time by
// time, rule by rule, over raw samples and what the rules before have written. Late,
// repeated and overwritten samples, restarts, seals, failing commits and refills must
// lead to the same tables once all samples have come.
func TestRuleGroups(t *testing.T) {
	for seed := range seeds(16, 4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			text := randomGroups(rand.New(rand.NewPCG(seed, 7)))
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, text)
			if seed%4 == 3 {
				w.Budget = 0 // a window of each kind in a round
			}
			for range 40 {
				w.Step()
			}
			w.SettleAll()
			compareWithRules(t, w, text)
		})
	}
}

// TestNameElsewhere: a rule that reads one behind it is kept incrementally, and is not any
// more once a rule elsewhere has the same name, whose newest value counts.
func TestNameElsewhere(t *testing.T) {
	const own = `
groups:
- name: g0
  rules:
  - {record: 'reader', expr: 'sum by (job) (behind) + on (job) max by (job) (max_over_time(behind[4m]))'}
  - {record: 'behind', expr: 'sum by (job, instance) (temperature)'}
`
	const both = own + `
- name: g1
  interval: 30s
  rules:
  - {record: 'behind', expr: 'max by (job, instance) (errors_total)', labels: {q: "1"}}
`
	for text, batch := range map[string]bool{own: false, both: true} {
		for seed := range uint64(3) {
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, text)
			for range 25 {
				w.Step()
			}
			w.SettleAll()
			compareWithRules(t, w, text)
			if def := w.Store.Flows[1].Flow.Def; def.Expr.Mode() != flowdef.ModeIncremental {
				t.Errorf("the definition is kept in mode %s", def.Expr.Mode())
			}
			if got := w.Flows[1].Def.Expr.Batch; got != batch {
				t.Errorf("in batch: %v, want %v", got, batch)
			}
		}
	}
}

// TestTotals computes testdata/rules/totals.yml, rules of which most read what they gave
// before, over samples that come late, twice and with other values, with restarts and
// refills: every cell is what the rules of Prometheus give.
func TestTotals(t *testing.T) {
	data, err := os.ReadFile("../../testdata/rules/totals.yml")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range seeds(8, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, string(data))
			for _, s := range w.Series { // of ten nodes in two zones: cores, and now and then a mark
				for i := range s.Labels {
					l := &s.Labels[i]
					switch {
					case l.Value == "temperature":
						l.Value = "node_cordoned"
					case l.Name == series.MetricName:
						l.Value, s.Metric = "node_cores", 1
					case l.Name == "job":
						l.Name = "zone"
					case l.Name == "n":
						l.Name = "node"
					}
				}
				slices.SortFunc(s.Labels, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
			}
			if seed%2 == 1 {
				w.Budget = 0
			}
			for range 40 {
				w.Step()
			}
			w.SettleAll()
			compareWithRules(t, w, string(data))
		})
	}
}

// compareWithRules evaluates all rules at all their times, and compares the tables.
func compareWithRules(t *testing.T, w *roundtest.World, text string) {
	t.Helper()
	flows, problems := flowfile.Parse("test.yml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	graph, until := flowgraph.New(flows), map[string]sequence.Time{}
	tables := map[string]map[int64]map[string]progress.Row{}
	newest := sequence.NoTime
	for _, mf := range w.Store.Flows {
		until[mf.Flow.Def.Title()], tables[mf.Flow.Def.Title()] = mf.Flow.EmittedUntil, mf.Rows
		newest = max(newest, mf.Flow.EmittedUntil)
	}
	raw, engine := w.Committed(), promeval.New()
	written := make([]promeval.Samples, len(flows)) // by rule
	at := make([]map[string]int, len(flows))        // its series by labels
	had := make([]map[string]bool, len(flows))      // in the evaluation before
	order := slices.Concat(graph.Tiers()...)
	for end := w.Base - 3_600_000; end <= newest; end += 30_000 {
		for _, i := range order {
			def := &flows[i]
			if end%def.Every != 0 {
				continue
			}
			samples := slices.Clone(raw)
			for j := range flows {
				for _, x := range written[j] {
					if n := len(x.Times); slices.Contains(def.Previous, flows[j].Title()) && n > 0 && x.Times[n-1] == end {
						x.Times, x.Values = x.Times[:n-1], x.Values[:n-1]
					}
					samples = append(samples, x)
				}
			}
			vec, err := engine.WithLookback(def.Lookback).Whole(context.Background(), def.PromQL, samples, end)
			if err != nil {
				t.Fatalf("%s at %d: %v", def.PromQL, end, err)
			}
			layout, has := flowdef.NewLayout(*def), map[string]bool{}
			if at[i] == nil {
				at[i] = map[string]int{}
			}
			write := func(lset labels.Labels, key string, v float64) {
				k, ok := at[i][key]
				if !ok {
					k = len(written[i])
					at[i][key] = k
					b := labels.NewBuilder(lset).Set(model.MetricNameLabel, def.Name)
					for _, l := range def.StaticLabels {
						b.Set(l.Name, l.Value)
					}
					written[i] = append(written[i], promeval.Series{Labels: b.Labels()})
				}
				x := &written[i][k]
				x.Times, x.Values = append(x.Times, end), append(x.Values, v)
			}
			want := map[string]float64{}
			for _, s := range vec {
				key := strings.Join(layout.Row(s.Metric), "\xff")
				has[key], want[key] = true, s.Value
				write(s.Metric, key, s.Value)
			}
			for key := range had[i] {
				if !has[key] {
					write(labels.EmptyLabels(), key, segment.Stale())
				}
			}
			had[i] = has
			if end > until[def.Title()] {
				continue
			}
			got := tables[def.Title()][end]
			same := len(got) == len(want)
			for key, v := range want {
				row, ok := got[key]
				same = same && ok && partialtest.Close(row.Value, v, 1e-9*(1e4+math.Abs(v)))
			}
			if !same {
				t.Fatalf("%s at %+ds: stored %v, the rules give %v\n%s\n%v", def.Title(), (end-w.Base)/1000, got, want, text, w.Log)
			}
		}
	}
	if len(slices.Collect(maps.Keys(tables))) != len(flows) {
		t.Fatal("flows are missing")
	}
}
