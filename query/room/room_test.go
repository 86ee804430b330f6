package room

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// point is a sample of a series.
type point struct {
	t int64
	v float64
}

func (p point) ST() int64                     { return 0 }
func (p point) T() int64                      { return p.t }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

// store is series, which it gives to selectors; and what selectors were given.
type store struct {
	storage.LabelQuerier
	series []storage.Series
	given  [][]storage.Series
}

func (s *store) Querier(int64, int64) (storage.Querier, error) { return s, nil }
func (s *store) Close() error                                  { return nil }

func (s *store) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	var list []storage.Series
next:
	for _, one := range s.series {
		for _, m := range ms {
			if !m.Matches(one.Labels().Get(m.Name)) {
				continue next
			}
		}
		list = append(list, one)
	}
	s.given = append(s.given, list)
	return &set{list: list}
}

// set is series that are given one by one.
type set struct {
	storage.SeriesSet
	list []storage.Series
	next int
}

func (s *set) Next() bool                        { s.next++; return s.next <= len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.next-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

func (s *store) Count(selector int) int { return len(s.given[selector]) }

func (s *store) Labels(selector, series int) labels.Labels {
	return s.given[selector][series].Labels()
}

// TestAsTheEngine: the engine gives no more series than is expected, their labels are no
// longer, and it has no more room for points, in random expressions over random series, most
// of which have few samples.
func TestAsTheEngine(t *testing.T) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true})
	kinds := map[string]int{}
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &store{}
		for i := range 1 + rnd.IntN(40) {
			lset := labels.FromStrings("__name__", []string{"m", "n"}[rnd.IntN(2)], "i", fmt.Sprint(i), "job", fmt.Sprint(rnd.IntN(3)), "pod", fmt.Sprint(rnd.IntN(10)))
			var samples []chunks.Sample
			for at, n := rnd.Int64N(500_000), 1+rnd.IntN(5); n > 0; n-- {
				samples = append(samples, point{at, float64(rnd.IntN(3))})
				at += 1 + rnd.Int64N(20_000)
			}
			s.series = append(s.series, storage.NewListSeries(lset, samples))
		}
		expr, kind := random(rnd, 3)
		step := time.Duration(1+rnd.IntN(20)) * time.Second
		qry, err := engine.NewRangeQuery(t.Context(), s, promql.NewPrometheusQueryOpts(false, 5*time.Second), expr, time.UnixMilli(0), time.UnixMilli(500_000), step)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		res := qry.Exec(t.Context())
		if res.Err != nil {
			qry.Close()
			continue // many to many, the same labels twice
		}
		matrix, err := res.Matrix()
		if err != nil {
			t.Fatal(err)
		}
		// The engine changes its statement while it evaluates it.
		again, err := engine.NewRangeQuery(t.Context(), s, nil, expr, time.UnixMilli(0), time.UnixMilli(500_000), step)
		if err != nil {
			t.Fatal(err)
		}
		stmt := again.Statement().(*parser.EvalStmt)
		for _, exact := range []bool{false, true} {
			w := &weighing{series: s, exact: exact, span: 500_000, steps: 500_000/step.Milliseconds() + 1}
			r := w.result(stmt.Expr)
			length := int64(0)
			for _, one := range matrix {
				one.Metric.Range(func(l labels.Label) { length += int64(len(l.Name) + len(l.Value)) })
			}
			if int64(len(matrix)) > r.series && !strings.Contains(expr, "count_values") { // of which that is not known
				t.Errorf("seed %d, %s: %d series, expected %d", seed, expr, len(matrix), r.series)
			}
			if known := w.labelBytes(0, w.selectors); length > 2*known && length > r.bytes+64*int64(len(matrix)) {
				t.Errorf("seed %d, %s: labels of %d bytes, those of the series have %d, and %d were expected", seed, expr, length, known, r.bytes)
			}
			if w.selectors != len(s.given) {
				t.Errorf("seed %d, %s: %d selectors, the engine has asked for %d", seed, expr, w.selectors, len(s.given))
			}
		}
		if len(matrix) > 0 {
			kinds[kind]++
		}
		qry.Close()
	}
	for _, kind := range []string{"sum", "topk", "count_values", "binary", "call", "label", "subquery"} {
		if kinds[kind] < 3 {
			t.Errorf("%s: %d results, which says little", kind, kinds[kind])
		}
	}
}

// random is a random expression, and what its outermost part is.
func random(rnd *rand.Rand, depth int) (expr, kind string) {
	selector := []string{"m", "n", `{__name__=~"m|n"}`, `m{job="1"}`}[rnd.IntN(4)]
	if depth == 0 {
		return selector, "selector"
	}
	inner, _ := random(rnd, depth-1)
	other, _ := random(rnd, depth-1)
	pick := func(texts ...string) string { return texts[rnd.IntN(len(texts))] }
	switch rnd.IntN(8) {
	case 0:
		return fmt.Sprintf("%s %s (%s)", pick("sum", "max", "count"), pick("", "by (job)", "by (job, pod)", "without (i)"), inner), "sum"
	case 1:
		return fmt.Sprintf("topk by (job) (2, %s)", inner), "topk"
	case 2:
		return fmt.Sprintf("count_values %s (\"v\", %s)", pick("", "by (job)"), inner), "count_values"
	case 3:
		return fmt.Sprintf("(%s) %s (%s)", inner, pick("or", "and", "unless", "+ on (i, job, pod)", "* on (i) group_left (pod)"), other), "binary"
	case 4:
		return fmt.Sprintf("(%s) * 2", inner), "binary"
	case 5:
		return fmt.Sprintf("%s(%s)", pick("abs", "sort", "-", "timestamp"), inner), "call"
	case 6:
		return pick(fmt.Sprintf("label_join(%s, \"long\", \"--\", \"long\", \"i\", \"pod\", \"long\")", inner), fmt.Sprintf("label_replace(%s, \"pod\", \"$1 and $1\", \"pod\", \"(.*)\")", inner)), "label"
	}
	return fmt.Sprintf("%s((%s)[%s:%s])", pick("max_over_time", "last_over_time", "rate"), inner, pick("30s", "2m"), pick("1s", "15s")), "subquery"
}

// TestOf: what queries that are usual take, and those that are not.
func TestOf(t *testing.T) {
	s := &store{given: make([][]storage.Series, 2)}
	for i := range 1000 {
		lset := labels.FromStrings("__name__", "m", "i", fmt.Sprint(i), "job", fmt.Sprint(i%10))
		for k := range s.given {
			s.given[k] = append(s.given[k], storage.NewListSeries(lset, nil))
		}
	}
	for expr, want := range map[string]int64{
		"m":                                0,
		"m * 1":                            1000 * 100,
		"sum by (job) (m)":                 10 * 100,
		"sum by (i) (m)":                   1000 * 100,
		"sum(abs(m))":                      1000*100 + 100,
		"abs(abs(abs(m)))":                 2 * 1000 * 100,
		"m + m":                            1000 * 100,
		"(m * 1) + (m * 1)":                3 * 1000 * 100,
		"rate(m[5m])":                      0,
		"max_over_time((m * 1)[10h:1s])":   1000 * 5000,
		"m @ 5 * 1":                        1000 * 100,
		"count_values(\"v\", m)":           1000 * 4 * 100,
		`label_join(m, "x", "", "i", "i")`: 1000 * 50, // and some
		`label_replace(m, "x", "$1$1", "i", "9")`: 1000 * 50,
	} {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		if err != nil {
			t.Fatal(err)
		}
		stmt := &parser.EvalStmt{Expr: parsed, Start: time.UnixMilli(0), End: time.UnixMilli(99_000), Interval: time.Second}
		got := Of(stmt, s, 0, 500)
		if got != want && (want != 1000*50 || got < 1 || got > want) {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
		stmt.End, stmt.Interval = stmt.Start, 0
		if got := Of(stmt, s, 0, 500); got != 0 && want < 1000*5000 && want != 1000*50 {
			t.Errorf("%s at one time: %d", expr, got)
		}
	}
	// Labels that double 60 times are as long as nothing can be.
	expr := "m"
	for range 60 {
		expr = `label_join(` + expr + `, "x", "", "x", "i", "x")`
	}
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	if got := Of(&parser.EvalStmt{Expr: parsed}, s, 0, 1); got < 1<<50 {
		t.Errorf("labels that double take %d", got)
	}
}
