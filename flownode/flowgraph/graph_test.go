package flowgraph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowgraph"
	"laminar/sequence"
)

func parse(t *testing.T, text string) []flowdef.Flow {
	t.Helper()
	flows, problems := flowfile.Parse("g.yml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows
}

// TestReads says who reads whom: by name and expression, but not where labels exclude
// it, nor by selectors that name no metric.
func TestReads(t *testing.T) {
	flows := parse(t, `
groups:
- name: g
  rules:
  - {record: 'a:p', expr: 'sum by (job) (x)', labels: {q: "1"}}
  - {record: 'a:p', expr: 'sum by (job) (y)', labels: {q: "2"}}
  - {record: 'b:name', expr: 'sum(a:p)'}
  - {record: 'b:static', expr: 'sum(a:p{q="2"})'}
  - {record: 'b:none', expr: 'sum(a:p{q="3"})'}
  - {record: 'b:label', expr: 'sum(a:p{zone="x"})'}
  - {record: 'b:open', expr: 'sum(a:p{job=~".+"})'}
  - {record: 'b:re', expr: 'sum({__name__=~"a:.*|w"})'}
  - {record: 'b:any', expr: 'sum({job="a"})'}
  - {record: 'b:two', expr: 'a:p{q="1"} + ignoring (q) (b:re offset 5m)'}
  - {record: 'raw', expr: 'sum(w)'}
`)
	g := flowgraph.New(flows)
	for i, want := range []string{"", "", "[0 1]", "[1]", "[]", "[]", "[0 1]", "[0 1]", "[]", "[0 7]", "[]"} {
		if got := fmt.Sprint(g.Reads(i)); got != want && (want != "" || got != "[]") {
			t.Errorf("%s reads %s, want %s", flows[i].Title(), got, want)
		}
	}
	if g.Depth(9) != 2 || g.Depth(2) != 1 || g.Depth(10) != 0 {
		t.Errorf("depths are %d, %d, %d", g.Depth(9), g.Depth(2), g.Depth(10))
	}
	if g.Part(9) != g.Part(1) || g.Part(10) == g.Part(1) {
		t.Error("parts are wrong")
	}
	if got := fmt.Sprint(g.Downstream(1, sequence.Span{After: 600_000, UpTo: 660_000})); got !=
		"[{2 (600000,1020000]} {3 (600000,1020000]} {6 (600000,1020000]} {7 (600000,1020000]} {9 (900000,1680000]}]" {
		t.Errorf("downstream of the second flow is %s", got)
	}
	if got := fmt.Sprint(g.Tiers()); got != "[[0 1 4 5 8 10] [2 3 6 7] [9]]" {
		t.Errorf("tiers are %s", got)
	}
}

// TestCycle names the path of a circle, at the new flow.
func TestCycle(t *testing.T) {
	flows := parse(t, `
flows:
  - {name: a, promql: 'sum(b)', every: 1m}
  - {name: b, promql: 'sum(c)', every: 1m}
  - {name: c, promql: 'sum(a) + sum(x)', every: 1m}
  - {name: d, promql: 'sum(b)', every: 1m}
`)
	problems := flowgraph.Validate(flows[1:2], slices.Concat(flows[:1], flows[2:]))
	if len(problems) != 1 || problems[0].Line != 4 {
		t.Fatalf("problems are %v", problems)
	}
	for _, reads := range []string{"a reads b", "b reads c", "c reads a"} {
		if !strings.Contains(problems[0].Message, reads) {
			t.Errorf("%q does not say that %s", problems[0].Message, reads)
		}
	}
	if problems := flowgraph.Validate(flows[:2], nil); len(problems) > 0 {
		t.Errorf("problems without a circle are %v", problems)
	}
}

// TestItself: a flow that reads its own results is no circle, and sees what it gave
// before; flows that read each other are one, also beside such a flow.
func TestItself(t *testing.T) {
	flows := parse(t, `
flows:
  - {name: a, promql: 'sum(x) + (a offset 1m or vector(0))', every: 1m}
  - {name: b, promql: 'a + b', every: 1m}
  - {name: c, promql: 'max(d) or c', every: 1m}
  - {name: d, promql: 'sum(x)', every: 1m}
`)
	if problems := flowgraph.Validate(flows, nil); len(problems) > 0 {
		t.Fatalf("problems are %v", problems)
	}
	g := flowgraph.New(flows)
	if got := fmt.Sprint(g.Reads(0), g.Reads(1), g.Reads(2), g.Tiers()); got != "[0] [0 1] [2 3] [[3] [0 2] [1]]" {
		t.Errorf("reads and tiers are %s", got)
	}
	for i := range flows {
		if f := &flows[i]; len(f.Previous) > 0 || f.Itself != (i < 3) {
			t.Errorf("%s sees %v from before, and itself: %v", f.Name, f.Previous, f.Itself)
		}
	}
	if flows[0].Expr.Mode() != flowdef.ModeBatch || flows[0].Expr.Why != "it reads its own results" {
		t.Errorf("mode is %s: %s", flows[0].Expr.Mode(), flows[0].Expr.Why)
	}
	flows = parse(t, `
groups:
- name: g
  rules:
  - {record: a, expr: 'sum(b) + a'}
  - {record: b, expr: 'sum(b) + sum(a offset 1m)'}
`)
	if problems := flowgraph.Validate(flows, nil); len(problems) != 1 || !strings.Contains(problems[0].Message, "a reads b reads a: ") {
		t.Errorf("problems are %v", problems)
	}
}

// TestPrevious says which rules see what an evaluation before has written: those that
// read a rule behind them.
func TestPrevious(t *testing.T) {
	flows := parse(t, `
groups:
- name: g
  rules:
  - {record: first, expr: 'sum(second)'}
  - {record: second, expr: 'sum(x)'}
  - {record: third, expr: 'sum(second) + sum(first)'}
`)
	if got := fmt.Sprint(flows[0].Previous, flows[1].Previous, flows[2].Previous); got != "[second] [] []" {
		t.Errorf("previous are %s", got)
	}
	l := &flows[0].Expr.Leaves[0]
	if l.Before != 60_000 || l.Offset != 60_000 || l.Range != 240_000 || flows[0].Expr.Mode() != flowdef.ModeIncremental || flows[0].WindowLength() != 60_000 {
		t.Errorf("the first reads %+v, windows are %d long", l, flows[0].WindowLength())
	}
	if l := &flows[2].Expr.Leaves[0]; l.Before != 0 || l.Offset != 0 {
		t.Errorf("the third reads %+v", l)
	}
}

// TestPreviousWhole says which expressions over rules behind them are kept, and how far
// from their ends their windows read; others are evaluated whole.
func TestPreviousWhole(t *testing.T) {
	for expr, want := range map[string]string{
		"avg_over_time(behind[10m]) / behind offset 3m": "60000+540000 180000+300000",
		"sum by (job) (max_over_time(behind[90s]))":     "60000+30000",
		"behind offset 30s + sum(x)":                    "30000+300000 0+300000",
		`predict_linear({__name__="behind"}[5m], 60)`:   "60000+240000",
		`{__name__=~"behind|late"}`:                     "60000+240000",
		"max_over_time(behind[1m])":                     "whole",
		"rate(behind[5m])":                              "whole",
		"rate(behind[5m] offset 1m)":                    "60000+300000",
		"behind offset -1m":                             "whole",
		`{__name__=~"behind|x"}`:                        "whole",
		`{__name__=~"beh.*"}`:                           "whole",
		"mixed":                                         "whole",
		"max_over_time(behind[5m:1m])":                  "whole",
		"behind + sum(first)":                           "60000+240000 0+300000",
	} {
		flows := parse(t, fmt.Sprintf(`
groups:
- name: g
  rules:
  - {record: mixed, expr: 'sum by (job) (x)'}
  - {record: first, expr: 'sum by (job) (x)'}
  - {record: reader, expr: '%s'}
  - {record: behind, expr: 'sum by (job) (x)'}
  - {record: late, expr: 'sum by (job, n) (x)'}
  - {record: mixed, expr: 'max by (job) (y)'}
`, expr))
		c, got := &flows[2].Expr, "whole"
		if !c.Batch {
			var leaves []string
			for _, l := range c.Leaves {
				leaves = append(leaves, fmt.Sprintf("%d+%d", l.Offset, l.Range))
			}
			got = strings.Join(leaves, " ")
		}
		if got != want {
			t.Errorf("%s reads %s, want %s", expr, got, want)
		}
	}
}

// TestFenceGroups joins the groups of flows that read each other, and no others.
func TestFenceGroups(t *testing.T) {
	flows := parse(t, `
flows:
  - {name: a, promql: 'sum(x)', every: 1m}
  - {name: b, promql: 'sum(a)', every: 1m}
  - {name: c, promql: 'sum(b)', every: 1m}
  - {name: d, promql: 'sum(y)', every: 1m}
  - {name: e, promql: 'sum(y)', every: 1m}
`)
	for i, group := range []string{"z", "m", "k", "k", "o"} {
		flows[i].Group = group
	}
	if got := fmt.Sprint(flowgraph.FenceGroups(flows)); got != "[k k k k o]" {
		t.Errorf("groups are %s", got)
	}
}

// TestReachIntoResults: results must be kept until a window that reads them closes.
func TestReachIntoResults(t *testing.T) {
	flows := parse(t, `
flows:
  - {name: above, promql: 'max_over_time(below[10m]) + on (job) below offset 5m', every: 1m, watermark_delay: 30s}
  - {name: below, promql: 'sum by (job) (x)', every: 30s}
`)
	need := flows[0].Expr.MaxReach + 90_000
	for keep, want := range map[int64]int{0: 0, need: 0, need + 1: 0, need - 1: 1, 60_000: 1} {
		flows[1].Keep = keep
		problems := flowgraph.New(flows).CheckReach(1, 0, 0, 0)
		if len(problems) != want {
			t.Errorf("kept for %d ms: %v", keep, problems)
		}
		if len(problems) == 1 && !strings.Contains(problems[0].Message, flowdef.FormatMillis(need)+" at least") {
			t.Errorf("kept for %d ms: %s", keep, problems[0].Message)
		}
	}
}
