package promeval

// Operations whose result depends on the order of what they see.
//
// Of equal values topk and bottomk keep those that come first, and Prometheus leaves
// open which these are. A table must not: its rows would change with the region of a
// series, with a restart, or with the executor. So the operand of such an operation is
// put in the order of its labels first, by a function of Prometheus's own. Within a
// subquery no function can do that, because the engine evaluates all its steps at
// once and joins them through a map; such a subquery is evaluated step by step.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// OrderMatters reports whether the result of an expression depends on the order in
// which an operation in it sees its operand.
func OrderMatters(expr parser.Node) bool {
	found := false
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		agg, ok := n.(*parser.AggregateExpr)
		found = found || ok && takesFirst(agg.Op)
		return nil
	})
	return found
}

// takesFirst reports whether an aggregation takes what comes first.
func takesFirst(op parser.ItemType) bool {
	return op == parser.TOPK || op == parser.BOTTOMK || op == parser.LIMITK
}

// mayOrderMatter is OrderMatters of a text, and errs on the side of yes.
func mayOrderMatter(text string) bool {
	return slices.ContainsFunc([]parser.ItemType{parser.TOPK, parser.BOTTOMK, parser.LIMITK},
		func(op parser.ItemType) bool { return strings.Contains(strings.ToLower(text), op.String()) })
}

// orderedQuery is an expression whose operations see their operands in the order of
// labels. Subquery i has been taken out of it, and a range selector stands for it.
type orderedQuery struct {
	text       string
	subqueries []*parser.SubqueryExpr
}

// newOrderedQuery makes one of an expression.
func newOrderedQuery(text string) (orderedQuery, error) {
	q := orderedQuery{text: text}
	if !mayOrderMatter(text) {
		return q, nil
	}
	expr, err := queryParser.ParseExpr(text)
	if err != nil {
		return q, err
	}
	if OrderMatters(expr) {
		q.text = q.order(expr).String()
	}
	return q, nil
}

// order rewrites the expression, which is this function's own.
func (q *orderedQuery) order(e parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.ParenExpr:
		n.Expr = q.order(n.Expr)
	case *parser.UnaryExpr:
		n.Expr = q.order(n.Expr)
	case *parser.StepInvariantExpr:
		n.Expr = q.order(n.Expr)
	case *parser.BinaryExpr:
		n.LHS, n.RHS = q.order(n.LHS), q.order(n.RHS)
	case *parser.Call:
		for i := range n.Args {
			n.Args[i] = q.order(n.Args[i])
		}
	case *parser.AggregateExpr:
		if n.Param != nil {
			n.Param = q.order(n.Param)
		}
		if n.Expr = q.order(n.Expr); takesFirst(n.Op) {
			n.Expr = byLabels(n.Expr)
		}
	case *parser.SubqueryExpr:
		if OrderMatters(n.Expr) {
			q.subqueries = append(q.subqueries, n)
			return standIn(n, len(q.subqueries)-1)
		}
	}
	return e
}

// byLabels puts a vector in the order of its labels. What an expression sorts itself
// stays sorted; only what goes into that is put in order.
func byLabels(e parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.ParenExpr:
		n.Expr = byLabels(n.Expr)
		return n
	case *parser.Call:
		if strings.HasPrefix(n.Func.Name, "sort") {
			n.Args[0] = byLabels(n.Args[0])
			return n
		}
	}
	// No series has a label without a name, so that whole label sets decide.
	sort := parser.Functions["sort_by_label"]
	return &parser.Call{Func: sort, Args: parser.Expressions{e, &parser.StringLiteral{Val: ""}}}
}

// subqueryLabel names the subquery that a range selector stands for. Its matcher is
// a regular expression because of absent_over_time, which makes labels of others.
const subqueryLabel = "__laminar_subquery__"

// standIn is a range selector that reads what the steps of a subquery gave.
func standIn(n *parser.SubqueryExpr, i int) parser.Expr {
	return &parser.MatrixSelector{Range: n.Range, VectorSelector: &parser.VectorSelector{
		LabelMatchers:  []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, subqueryLabel, strconv.Itoa(i))},
		OriginalOffset: n.OriginalOffset, Timestamp: n.Timestamp, StartOrEnd: n.StartOrEnd,
	}}
}

// steps evaluates a subquery of an expression at t, step by step, to series in the
// order of their labels.
func (e *Engine) steps(ctx context.Context, from storage.Queryable, n *parser.SubqueryExpr, t int64) ([]promql.Series, error) {
	end, step := t, n.Step.Milliseconds()
	if n.Timestamp != nil {
		end = *n.Timestamp
	}
	end -= n.OriginalOffset.Milliseconds()
	if step == 0 {
		step = defaultStep
	}
	// Steps are multiples of their distance, as in the engine.
	after := end - n.Range.Milliseconds()
	first := step * (after / step)
	if first <= after {
		first += step
	}
	// @ start() and @ end() mean the time of the whole expression everywhere in it.
	pin(n.Expr, t)
	text, numbers := n.Expr.String(), map[string]int{}
	var out []promql.Series
	for at := first; at <= end; at += step {
		vec, err := e.instant(ctx, from, text, at)
		if err != nil {
			return nil, err
		}
		for _, s := range vec {
			key := string(s.Metric.Bytes(nil))
			i, known := numbers[key]
			if !known {
				i = len(out)
				numbers[key] = i
				out = append(out, promql.Series{Metric: s.Metric})
			}
			if s.Histogram == nil {
				out[i].Floats = append(out[i].Floats, promql.FPoint{T: at, F: s.Value})
				continue
			}
			if h := s.Histogram; h.CounterResetHint == histogram.NotCounterReset || h.CounterResetHint == histogram.CounterReset {
				s.Histogram.CounterResetHint = histogram.UnknownCounterReset // as the engine does
			}
			out[i].Histograms = append(out[i].Histograms, promql.HPoint{T: at, H: s.Histogram})
		}
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return out, nil
}

// pin fixes what an expression pins to the time of the query.
func pin(e parser.Expr, t int64) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			if n.StartOrEnd != 0 {
				n.Timestamp, n.StartOrEnd = &t, 0
			}
		case *parser.SubqueryExpr:
			if n.StartOrEnd != 0 {
				n.Timestamp, n.StartOrEnd = &t, 0
			}
		}
		return nil
	})
}

// stepped is a storage that has the series of subqueries too.
type stepped struct {
	storage.Queryable
	series [][]promql.Series // by subquery
}

func (s stepped) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := s.Queryable.Querier(mint, maxt)
	return steppedQuerier{Querier: q, series: s.series}, err
}

type steppedQuerier struct {
	storage.Querier
	series [][]promql.Series
}

func (q steppedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	for _, m := range ms {
		if m.Name == subqueryLabel {
			i, err := strconv.Atoi(m.Value)
			if err != nil || i < 0 || i >= len(q.series) {
				return storage.ErrSeriesSet(fmt.Errorf("no subquery for the selector %v", ms))
			}
			return &seriesSet{series: q.series[i]}
		}
	}
	return q.Querier.Select(ctx, sorted, hints, ms...)
}

// seriesSet iterates over series.
type seriesSet struct {
	noWarnings
	series []promql.Series
	next   int
}

func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.series)
}

func (s *seriesSet) At() storage.Series { return promql.NewStorageSeries(s.series[s.next-1]) }
