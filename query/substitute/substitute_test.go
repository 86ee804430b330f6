package substitute_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/query/substitute"
	"laminar/sequence"
)

var promParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

func parse(t testing.TB, text string) parser.Expr {
	t.Helper()
	e, err := promParser.ParseExpr(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// TestForm: what is spelled differently is equal, and what means something else is not.
func TestForm(t *testing.T) {
	// Each line is one function; lines are different ones.
	lines := [][]string{
		{`sum by (a, b) (rate(m{x="1", y=~"2"}[5m]))`, `sum(rate(m{y=~"2",x="1"}[300s])) by (b,a,a)`, `(sum by (b, a) ((rate({__name__="m",x="1",y=~"2",x="1"}[5m]))))`},
		{`sum by (a) (rate(m[5m]))`}, {`sum without (a) (rate(m[5m]))`}, {`sum(rate(m[5m]))`, `sum by () (rate(m[5m]))`}, {`sum without () (rate(m[5m]))`},
		{`sum(rate(m[5m] offset 1m))`, `sum(rate(m[5m] offset 60s))`}, {`sum(rate(m[5m] offset -1m))`}, {`sum(rate(m[5m] @ 60))`}, {`sum(rate(m[5m] @ start()))`}, {`sum(rate(m[5m] @ end()))`},
		{`m{a="1"}`}, {`m{a!="1"}`}, {`m{a=~"1"}`}, {`m{a!~"1"}`}, {`m{a=""}`}, {`m`, `{__name__="m"}`, `(m)`}, {`{__name__=~"m"}`},
		{`a + b * c`, `a + (b * c)`}, {`(a + b) * c`}, {`a - (b - c)`}, {`a - b - c`, `(a - b) - c`},
		{`a / on (x, y) b`, `a / on (y,x) b`}, {`a / ignoring (x, y) b`}, {`a / b`, `a / ignoring () b`}, {`a / on () b`},
		{`a / on (x) group_left (z) b`}, {`a / on (x) group_left () b`, `a / on (x) group_left b`}, {`a / on (x) group_right () b`},
		{`a > 1`}, {`a > bool 1`}, {`-a`}, {`+a`}, {`a`},
		{`topk(2, a)`}, {`topk(3, a)`}, {`bottomk(3, a)`}, {`topk by (x) (3, a)`}, {`quantile(0.5, a)`, `quantile(0.50, a)`, `quantile(5e-1, a)`},
		{`max_over_time(a[1h:1m])`, `max_over_time(a[60m:60s])`, `max_over_time((a)[1h:1m])`}, {`max_over_time(a[1h:])`}, {`max_over_time(a[1h:2m])`}, {`max_over_time(a[1h:1m] offset 1m)`}, {`max_over_time(a[1h])`},
		{`label_replace(a, "x", "$1", "y", "(.*)")`}, {`label_replace(a, "x", "$1", "y", "(.*)?")`}, {`round(a)`}, {`round(a, 1)`}, {`clamp(a, 1, 2)`}, {`predict_linear(a[5m], 1h)`, `predict_linear(a[5m], 3600)`},
		{`a and b`}, {`a or b`}, {`a unless b`}, {`b or a`}, {`count_values("x", a)`}, {`count_values("y", a)`}, {`"a"`}, {`1`, `1.0`, `(1)`},
	}
	seen := map[string]string{}
	for _, line := range lines {
		first := substitute.FormOf(parse(t, line[0])).Text
		for _, text := range line {
			if form := substitute.FormOf(parse(t, text)); form.Text != first || form.Unknown {
				t.Errorf("%s is %s (unknown: %t), and not %s as %s is", text, form.Text, form.Unknown, first, line[0])
			}
		}
		if other, taken := seen[first]; taken {
			t.Errorf("%s and %s are both %s", line[0], other, first)
		}
		seen[first] = line[0]
	}
	for text, want := range map[string]substitute.Form{
		"m": {Instant: true}, "rate(m[5m])": {}, "rate(m[5m] @ 5)": {Pinned: true}, "m @ end()": {Instant: true, Pinned: true},
		"max_over_time(rate(m[5m])[1h:])": {BareStep: true}, "max_over_time(rate(m[5m])[1h:1m] @ 5)": {Pinned: true}, "rate(m[5m]) + n": {Instant: true},
	} {
		got := substitute.FormOf(parse(t, text))
		if got.Text = ""; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// TestSame: an expression in which names stand for parts is held to the whole.
func TestSame(t *testing.T) {
	stand := map[string]string{"_0": substitute.FormOf(parse(t, "sum by (job) (rate(m[5m]))")).Text}
	for with, want := range map[string]bool{
		"topk(3, _0) + 1": true, "topk(3, (_0)) + 1": true, "topk(3, _0 + 1)": false, `topk(3, _0{a="b"}) + 1`: false, "topk(3, _0 offset 5m) + 1": false, "topk(3, _1) + 1": false, "topk(3, _0 @ 5) + 1": false,
	} {
		if got := substitute.Same(parse(t, "topk(3, sum by (job) (rate(m[5m]))) + 1"), parse(t, with), stand); got != want {
			t.Errorf("%s: %t", with, got)
		}
	}
}

// TestDefine: whose rows can stand for an expression, and why others cannot.
func TestDefine(t *testing.T) {
	flow := func(text string, change func(*flowdef.Flow)) flowdef.Flow {
		f := flowdef.Flow{Name: "f", Table: "f", Every: 60_000, Lookback: flowdef.DefaultLookback}
		if change != nil {
			change(&f)
		}
		f, err := f.Define(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return f
	}
	static := func(f *flowdef.Flow) { f.StaticLabels = []flowdef.Label{{Name: "team", Value: "x"}} }
	for _, tc := range []struct {
		promql string
		change func(*flowdef.Flow)
		why    string // a part of it; "" where it can
		name   string // of the metric
	}{
		{promql: "sum by (job) (rate(m[5m]))"}, {promql: "sum(rate(a[5m])) / sum(rate(b[5m]))"}, {promql: "m", name: "m"}, {promql: "last_over_time(m[5m])", name: "m"}, {promql: "m > 5", name: "m"}, {promql: "5 < m", name: "m"},
		{promql: "m * 2"}, {promql: "-m"}, {promql: "topk(3, m)", name: "m"}, {promql: "bottomk(((3)), m)", name: "m"},
		{promql: "topk(scalar(x), m)", why: "can fail"}, {promql: "sum(bottomk(scalar(x) + 1, m))", why: "can fail"}, {promql: "max_over_time(m[5m])"}, {promql: "sum by (a) (x) / on (a) sum by (a) (y)"}, {promql: "x * on (a) group_left () sum by (a) (y)"},
		{promql: "sum by (a, b) (x) > ignoring (c) sum by (a) (y)"}, {promql: "x and on (a) y", name: "x"}, {promql: "histogram_quantile(0.9, sum by (le) (rate(m_bucket[5m])))"},
		{promql: "sum by (job) (rate(m[5m]))", change: static}, {promql: "sum by (team) (rate(m[5m]))", change: static, why: "static label team"}, {promql: "rate(m[5m])", change: static, why: "static label team"},
		{promql: "sum(m)", change: func(f *flowdef.Flow) { f.Limit = 5 }, why: "limit"},
		{promql: "sum(m) + f", change: func(f *flowdef.Flow) { f.Itself = true }, why: "own results"},
		{promql: "sum(m)", change: func(f *flowdef.Flow) { f.Previous = []string{"m"} }, why: "another rule"},
		{promql: "sum(m) or vector(0)", why: "without samples"}, {promql: "absent(m)", why: "without samples"}, {promql: "vector(1)", why: "without samples"}, {promql: "time()", why: "without samples"},
		{promql: "sum(m @ 60)", why: "fixed time"}, {promql: "max_over_time(sum(m)[5m:])", why: "without a step"}, {promql: "max_over_time(sum(m)[5m:1m])"},
		{promql: `sum(rate({__name__=~"a|b"}[5m]))`, why: "more than one metric"}, {promql: `sum({job="a"})`, why: "more than one metric"},
		{promql: "x or y", why: "name"}, {promql: "sum(x or y)"}, {promql: "sum by (__name__) (x)", why: "name"}, {promql: `label_replace(x, "__name__", "y", "", "")`, why: "name"},
		{promql: `label_replace(x, "a", "y", "", "")`, why: "can fail"}, {promql: "x / on (a) y", why: "can fail"}, {promql: "x / ignoring (a) y", why: "can fail"}, {promql: "x / y"},
		{promql: "sum by (a, b) (x) / on (a) sum by (a) (y)", why: "can fail"}, {promql: "x * on (a) group_left () y", why: "can fail"}, {promql: "sum(-(x or y))", why: "can fail"},
		{promql: "x * on (a) group_left (b) sum by (a, b) (y)", why: "can fail"}, {promql: "x == on (a) group_left () sum by (a) (y)", name: "x"}, {promql: "sum by (a) (x) == on (a) group_right () y", name: "y"},
	} {
		f := flow(tc.promql, tc.change)
		d, why := substitute.Define(&f)
		if (d == nil) == (tc.why == "") || !strings.Contains(why, tc.why) || d != nil && (d.MetricName != tc.name || why != "") {
			t.Errorf("%s: %+v, %q, want %q and the name %q", tc.promql, d, why, tc.why, tc.name)
		}
	}
	f := flow("sum(a) / sum(b) + sum(a)", nil)
	if d, _ := substitute.Define(&f); !slices.Equal(d.Metrics, []string{"a", "b"}) {
		t.Errorf("metrics: %v", d.Metrics)
	}
}

// TestWalkTimes: Walk names all times at which a part is evaluated. An instant selector that
// looks back a millisecond finds samples of exactly these: with samples at further times the
// results are the same.
func TestWalkTimes(t *testing.T) {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e8, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, LookbackDelta: time.Millisecond, Parser: promParser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
	rng := rand.New(rand.NewPCG(1, 2))
	one := func(list ...string) string { return list[rng.IntN(len(list))] }
	found := 0
	for range 500 {
		expr := "m"
		for range rng.IntN(3) {
			expr = fmt.Sprintf("sum_over_time((%s)[%s:%s]%s)", expr, one("7m", "3m", "90s", "10s"), one("1m", "30s", "45s", ""), one("", "", " offset 2m", " offset -90s"))
		}
		at := substitute.Times{First: 4_000_000 + 5000*rng.Int64N(30), Step: 5000 * (1 + rng.Int64N(20)), N: 1 + rng.Int64N(4)}
		var times substitute.Times
		substitute.Walk(parse(t, expr), at, 60_000, func(e parser.Expr, at substitute.Times) bool {
			if _, ok := e.(*parser.VectorSelector); ok {
				times = at
			}
			return false
		})
		evaluate := func(times []int64) string {
			var samples []promql.FPoint
			for _, t := range times {
				samples = append(samples, promql.FPoint{T: t, F: 1})
			}
			store := oneSeries{promql.NewStorageSeries(promql.Series{Metric: labels.FromStrings("__name__", "m"), Floats: samples})}
			qry, err := engine.NewRangeQuery(t.Context(), store, nil, expr, time.UnixMilli(at.First), time.UnixMilli(at.Last()), time.Duration(at.Step)*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			defer qry.Close()
			return qry.Exec(t.Context()).String()
		}
		var these, more []int64
		for i := range times.N {
			these = append(these, times.At(i))
		}
		for t := at.First - 30*60_000; t <= at.Last()+30*60_000; t += 5000 { // all steps are multiples of it
			more = append(more, t)
		}
		got := evaluate(these)
		if got != "" {
			found++
		}
		if want := evaluate(more); got != want {
			t.Fatalf("%s at %+v, evaluated at %+v:\n%s\nand with samples at all times\n%s", expr, at, times, got, want)
		}
	}
	if found < 200 {
		t.Errorf("only %d have results", found)
	}
}

// oneSeries is a storage of one series.
type oneSeries struct{ storage.Series }

func (s oneSeries) Querier(int64, int64) (storage.Querier, error) { return oneSeriesQuerier{s: s}, nil }

type oneSeriesQuerier struct {
	storage.LabelQuerier
	s oneSeries
}

func (q oneSeriesQuerier) Close() error { return nil }
func (q oneSeriesQuerier) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	return &oneSet{series: q.s.Series}
}

type oneSet struct {
	storage.SeriesSet
	series storage.Series
	given  bool
}

func (s *oneSet) Next() bool {
	first := !s.given
	s.given = true
	return first
}
func (s *oneSet) At() storage.Series { return s.series }
func (s *oneSet) Err() error         { return nil }

// TestCoverage: which windows count, by a table.
func TestCoverage(t *testing.T) {
	const minute = 60_000
	def := flowdef.Flow{Name: "f", Table: "f", Every: minute, Lookback: flowdef.DefaultLookback, Keep: 50 * minute}
	def, err := def.Define("sum(rate(a[5m])) + sum(rate(b[2m] offset 1m))")
	if err != nil {
		t.Fatal(err)
	}
	flow := progress.Flow{Def: def, Dirty: []progress.Dirty{{WindowEnd: 30 * minute}, {WindowEnd: 31 * minute, Group: "{}"}}}
	flow.BeginsAfter, flow.EmittedUntil = 15*minute, 90*minute
	c := substitute.NewCoverage(substitute.Standing{
		Flow: &flow, Now: 60 * minute, Earliest: 17*minute + 1,
		Refills: sequence.Spans{{After: 40 * minute, UpTo: 42 * minute}},
		Unread:  []substitute.Unread{{Metric: "a", Span: sequence.Between(50*minute+1, 50*minute+1)}, {Metric: "b", Span: sequence.Between(60*minute, 61*minute)}, {Metric: "c", Span: sequence.Between(70*minute, 71*minute)}},
	})
	want := map[int64]substitute.Verdict{}
	for m := range int64(100) {
		want[m] = substitute.Read
		switch {
		case m <= 15, m > 90:
			want[m] = substitute.Open // not computed
		case m < 22: // reads samples from 17 min on, and some of these are gone
			want[m] = substitute.Only
		case m == 30, m == 31, m == 41, m == 42: // dirty, to be refilled
			want[m] = substitute.Open
		case m >= 51 && m <= 55: // reads a at 50 min + 1 ms
			want[m] = substitute.Open
		case m >= 61 && m <= 63: // reads b at 60 min to 61 min, a minute later
			want[m] = substitute.Open
		}
	}
	for m := range int64(100) {
		if got := c.Of(m * minute); got != want[m] {
			t.Errorf("at %d min: %d, want %d", m, got, want[m])
		}
	}
	flow.Def.Keep = 40 * minute
	if c := substitute.NewCoverage(substitute.Standing{Flow: &flow, Now: 60 * minute}); c.Of(20*minute) != substitute.Open || c.Of(21*minute) != substitute.Read {
		t.Error("what is not kept counts, or what is kept does not")
	}
	flow.BeginsAfter = sequence.NoTime
	if c := substitute.NewCoverage(substitute.Standing{Flow: &flow}); c.Of(50*minute) != substitute.Open {
		t.Error("a flow of which it is not known where it begins counts")
	}
}

// TestDivide: runs hold all times that are open, and are few, whatever is dirty.
func TestDivide(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	def := flowdef.Flow{Name: "f", Table: "f", Every: 1000, Lookback: flowdef.DefaultLookback}
	def, err := def.Define("sum(rate(a[5s]))")
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		flow := progress.Flow{Def: def}
		flow.BeginsAfter, flow.EmittedUntil = rng.Int64N(60)*1000, rng.Int64N(200)*1000
		for range rng.IntN(8) {
			flow.Dirty = append(flow.Dirty, progress.Dirty{WindowEnd: rng.Int64N(120) * 1000})
		}
		c := substitute.NewCoverage(substitute.Standing{Flow: &flow, Earliest: rng.Int64N(2) * rng.Int64N(100_000)})
		at := substitute.Times{First: 1000 * (1 + rng.Int64N(100)), Step: 1000 * (1 + rng.Int64N(4)), N: 1 + rng.Int64N(60)}
		d := substitute.Divide(at, c, rng.Int64N(6000))
		var fromFlow, only int64
		covered := map[int64]bool{}
		for i, run := range d.Runs {
			if run.N < 1 || run.Step != at.Step || i > 0 && run.First <= d.Runs[i-1].Last() {
				t.Fatalf("runs %+v", d.Runs)
			}
			for i := range run.N {
				covered[run.At(i)] = true
			}
		}
		for i := range at.N {
			v := c.Of(at.At(i))
			if v == substitute.Open && !covered[at.At(i)] {
				t.Fatalf("%d is not evaluated: %+v", at.At(i), d.Runs)
			}
			if v != d.Verdicts[i] {
				t.Fatalf("%d is %d, and %d is said", at.At(i), v, d.Verdicts[i])
			}
			if v != substitute.Open {
				fromFlow++
			}
			if v == substitute.Only {
				only++
			}
			if j, ok := at.Index(at.At(i)); !ok || j != i {
				t.Fatalf("time %d is %d", i, j)
			}
		}
		if len(d.Runs) > 4 || d.FromFlow != fromFlow || d.Only != only {
			t.Fatalf("%+v: %d from the flow, %d only there", d, fromFlow, only)
		}
		for _, run := range d.Runs {
			if d.Verdicts[(run.First-at.First)/at.Step] != substitute.Open || d.Verdicts[(run.Last()-at.First)/at.Step] != substitute.Open {
				t.Fatalf("a run begins or ends with what the flow gives: %+v", d)
			}
		}
		if fromFlow > 0 {
			first, last := d.FlowSpan()
			if i, _ := at.Index(first); c.Of(first) == substitute.Open || slices.ContainsFunc(d.Verdicts[:i], func(v substitute.Verdict) bool { return v != substitute.Open }) {
				t.Fatalf("the flow's times begin at %d: %+v", first, d)
			}
			if i, _ := at.Index(last); c.Of(last) == substitute.Open || slices.ContainsFunc(d.Verdicts[i+1:], func(v substitute.Verdict) bool { return v != substitute.Open }) {
				t.Fatalf("the flow's times end at %d: %+v", last, d)
			}
		}
		if _, ok := at.Index(at.First + 1); ok && at.Step > 1 {
			t.Fatal("a time between is one of them")
		}
		if _, ok := at.Index(at.Last() + at.Step); ok {
			t.Fatal("a time behind is one of them")
		}
	}
}
