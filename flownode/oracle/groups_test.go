package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// ruleText is a rule, and the group that it stands in.
type ruleText struct {
	record, alert, expr, more string
	group                     int
}

// generator makes rule groups. A rule reads raw metrics, records of groups before its
// own, and records of its own group, whether they stand before it or behind; groups are
// evaluated in their order. So nothing is read that is evaluated later at the same time,
// but in the rule's own group.
type generator struct {
	*rand.Rand
	rules []ruleText
	depth map[string]int // of records: how many others stand below
	group map[string]int // of records
}

// rawRules is expressions over raw metrics.
var rawRules = []string{
	"sum by (job, instance) (rate(requests_total[2m]))", "max by (job, instance) (temperature)",
	"sum by (job) (increase(errors_total[3m] offset 1m))", "sum by (job, n) (temperature)", "count by (job) (requests_total)",
	"temperature > 20", "vector(0.999)", "absent(temperature{n=\"2\"})", "sum by (job) (requests_total) or vector(0)",
}

// overRules is expressions over a record.
var overRules = []string{
	"sum by (job) (%s)", "avg_over_time(%s[5m])", "max by (job) (max_over_time(%s[4m]))", "last_over_time(%s[3m])",
	"sum by (job) (sum_over_time(%s[7m])) / 3", "count by (job) (%s offset 2m)", "max_over_time(sum by (job) (%s)[4m:1m])",
	"sum by (job) (%s) + on (job) sum by (job) (temperature)", "min by (job) (%s) unless on (job) (sum by (job) (errors_total) < 3)",
	"2 * %s", "%s > 10", "count_over_time(%s[6m])", "changes(%s[8m])", "count(present_over_time(%s[2m])) or vector(0)",
	"sum by (job) ({__name__=~\"%s|none\"})",
}

// ownRules is expressions over a record's own results, %[1]s, and over another record.
var ownRules = []string{
	"sum by (job) (%[2]s) + on (job) (%[1]s offset 1m or on (job) 0 * sum by (job) (%[2]s))", // a running total
	"max by (job) (%[2]s) or %[1]s", // what was once seen stays
	"0.5 * (max by (job) (%[2]s) + on (job) %[1]s) or max by (job) (%[2]s)",
	"count by (job) (%[2]s) + on (job) 0.1 * (max_over_time(%[1]s[4m]) or on (job) 0 * count by (job) (%[2]s))",
	"sum by (job) (%[2]s) unless on (job) (count by (job) ({__name__=~\"%[1]s|%[2]s\"}) > 4)",
	"max by (job) (%[2]s) unless on (job) (changes(%[1]s[6m]) > 1)",
	"sum_over_time(count(%[2]s)[30s:1s]) + ((%[1]s offset 25s) or (absent(%[1]s offset 25s) * 0))",
}

// alertRules is expressions over a record or a raw metric.
var alertRules = []string{"%s > 5", "max by (job) (%s) > 1", "count by (job) (%s) < 3", "changes(%s[3m]) > 0", "sum by (job) (%s) unless on (job) (sum by (job) (errors_total) < 20)"}

// claims is the rules of one record, by pairs of which it is known whether they give the
// same labels: never, now and then with other values, always with the same ones. Some
// read their own record, %s.
var claims = [][]string{
	{`sum by (job) (rate(requests_total{job="j0"}[3m]))`, `sum by (job) (temperature{job="j1"})`},
	{"max by (job) (temperature)", "min by (job) (temperature)", "sum by (job) (errors_total) > 20"},
	{"max by (job) (temperature > 0)", "sum by (job) (requests_total)"},
	{`sum by (job, instance) (temperature{instance="i0"}) > 0`, "max by (job, n) (temperature)", "max by (instance, job) (temperature)"},
	{"count by (job) (temperature > 0)", "count by (job) (requests_total > 10) > 1"},
	{"sum by (job, instance) (temperature) > 0", `count by (job) (%s) or %s{instance=""} - 0.5`},
	{"max by (job) (temperature > 0)", "sum by (job) (%s) + 1"},
}

// readable is a record that a rule of the group may read, "" for none.
func (g *generator) readable(group int) string {
	var names []string
	for name, of := range g.group {
		if of <= group && g.depth[name] < 5 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return names[g.IntN(len(names))]
}

// insert puts rules at some place of their group, one behind the other, and perhaps
// between others of one record. It returns the place of the first.
func (g *generator) insert(rules ...ruleText) (at int) {
	at = g.IntN(len(g.rules) + 1)
	g.rules = slices.Insert(g.rules, at, rules...)
	return at
}

// groups makes rule groups of so many records, with alerts among them.
func groups(rng *rand.Rand, records int) string {
	g := &generator{Rand: rng, depth: map[string]int{}, group: map[string]int{}}
	n := 1 + rng.IntN(3)
	for i := range records {
		group, name := rng.IntN(n), fmt.Sprintf("r%d:x", i)
		parent := g.readable(group)
		switch {
		case parent != "" && rng.IntN(5) == 0:
			g.insert(ruleText{record: name, group: group, expr: fmt.Sprintf(ownRules[rng.IntN(len(ownRules))], name, parent)})
			g.depth[name] = g.depth[parent] + 1
		case parent != "" && rng.IntN(4) > 0:
			g.insert(ruleText{record: name, group: group, expr: fmt.Sprintf(overRules[rng.IntN(len(overRules))], parent)})
			g.depth[name] = g.depth[parent] + 1
		case rng.IntN(2) == 0:
			var rules []ruleText
			for _, expr := range claims[rng.IntN(len(claims))] {
				rules = append(rules, ruleText{record: name, group: group, expr: strings.ReplaceAll(expr, "%s", name)})
			}
			rng.Shuffle(len(rules), func(a, b int) { rules[a], rules[b] = rules[b], rules[a] })
			at := g.insert(rules...)
			if rng.IntN(3) > 0 { // a reader that stands among them
				reader := ruleText{record: name + ":mid", group: group, expr: strings.ReplaceAll(overRules[rng.IntN(len(overRules))], "%s", name)}
				g.rules = slices.Insert(g.rules, at+1+rng.IntN(len(rules)-1), reader)
				g.depth[reader.record], g.group[reader.record] = 1, group
			}
		default:
			r := ruleText{record: name, group: group, expr: rawRules[rng.IntN(len(rawRules))]}
			if rng.IntN(3) == 0 {
				r.more = fmt.Sprintf(", labels: {kind: k%d}", rng.IntN(2))
			}
			g.insert(r)
		}
		g.group[name] = group
	}
	for i := range 3 {
		group := rng.IntN(n)
		of := g.readable(group)
		if of == "" || rng.IntN(4) == 0 {
			of = "temperature"
		}
		more := fmt.Sprintf(", for: %dm, keep_firing_for: %dm, labels: {severity: page}, annotations: {text: '{{ $labels.job }} is at {{ $value }}'}", rng.IntN(4), rng.IntN(4))
		g.insert(ruleText{alert: fmt.Sprintf("A%d", i), group: group, expr: fmt.Sprintf(alertRules[rng.IntN(len(alertRules))], of), more: more})
	}
	return g.text(n)
}

// text is the groups as a file.
func (g *generator) text(n int) string {
	var out strings.Builder
	out.WriteString("groups:\n")
	for group := range n {
		var rules []string
		for _, r := range g.rules {
			kind, name := "record", r.record
			if r.alert != "" {
				kind, name = "alert", r.alert
			}
			if r.group == group {
				rules = append(rules, fmt.Sprintf("  - {%s: '%s', expr: '%s'%s}\n", kind, name, r.expr, r.more))
			}
		}
		if len(rules) > 0 {
			fmt.Fprintf(&out, "- name: g%d\n  interval: %s\n  rules:\n%s", group, []string{"1m", "30s", "2m"}[g.IntN(3)], strings.Join(rules, ""))
		}
	}
	return out.String()
}
