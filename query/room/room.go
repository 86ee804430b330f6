package room

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
)

// Selected is the series of the selectors of a query, in the order in which parser.Inspect
// comes to them: how many there are, and the labels of each.
type Selected interface {
	Count(selector int) int
	Labels(selector, series int) labels.Labels
}

const (
	// mostPoints is how many points the engine makes room for at once.
	mostPoints = 5000

	// pointBytes is what a point takes.
	pointBytes = 16
)

// Of is for how many points the engine has made room at most at one time, of 16 bytes each,
// while it evaluates a statement over the series. A series counts for perSeries points in each
// result beside them. enough is how much it may be: more is not told exactly.
func Of(stmt *parser.EvalStmt, series Selected, perSeries, enough int64) int64 {
	w := weighing{series: series, perSeries: perSeries, steps: 1}
	if stmt.Interval > 0 {
		w.span = stmt.End.Sub(stmt.Start).Milliseconds()
		w.steps = w.span/max(1, stmt.Interval.Milliseconds()) + 1
	}
	about := w
	if r := about.result(stmt.Expr); r.peak <= enough {
		return r.peak
	}
	w.exact = true // counting groups takes a look at all labels
	return w.result(stmt.Expr).peak
}

// weighing is a walk over an expression.
type weighing struct {
	series    Selected
	perSeries int64
	selectors int // that were passed
	exact     bool

	span, steps int64 // ms: of the evaluation that the walk is in
}

// result is at most how many series an expression gives, and how long their labels may be.
type result struct {
	series int64
	bytes  int64 // of all labels
	first  int   // of the selectors in it, and
	last   int   // the one behind
	others bool  // labels may be others than those of the selectors
	room   int64 // that the result takes, points
	peak   int64 // that it has taken at most until it was there
}

// add is a sum that does not overflow; neither is negative.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// times is a product that does not overflow; neither is negative.
func times(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// made is a result whose series have room for all steps, made of others.
func (w *weighing) made(r result, of ...result) result {
	r.room = 0
	if w.steps > 1 {
		r.room = times(r.series, min(w.steps, mostPoints))
	}
	return w.counted(r, of)
}

// had is a result whose series have room for the points that are counted, made of others.
func (w *weighing) had(r result, of ...result) result {
	r.room = 0
	return w.counted(r, of)
}

// counted is a result with what it takes. What it is made of is computed one by one, and is
// there until it is.
func (w *weighing) counted(r result, of []result) result {
	r.room = add(r.room, add(times(r.series, w.perSeries), r.bytes/pointBytes))
	held := int64(0)
	r.peak = 0
	for _, o := range of {
		r.peak = max(r.peak, add(held, o.peak))
		held = add(held, o.room)
	}
	r.peak = max(r.peak, add(held, r.room))
	return r
}

// result walks an expression.
func (w *weighing) result(expr parser.Expr) result {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return w.had(w.selected())
	case *parser.MatrixSelector:
		return w.result(e.VectorSelector)
	case *parser.ParenExpr:
		return w.result(e.Expr)
	case *parser.UnaryExpr:
		inner := w.result(e.Expr)
		return w.had(inner, inner)
	case *parser.StepInvariantExpr:
		return w.within(0, 1, e.Expr)
	case *parser.SubqueryExpr:
		step := e.Step.Milliseconds()
		if step <= 0 {
			step = BareStep
		}
		return w.within(add(w.span, e.Range.Milliseconds()), step, e.Expr)
	case *parser.Call:
		return w.call(e)
	case *parser.AggregateExpr:
		return w.aggregation(e)
	case *parser.BinaryExpr:
		return w.operation(e)
	}
	return result{series: 1, first: w.selectors, last: w.selectors} // numbers and texts
}

// BareStep is the step of subqueries that state none, as in flows, ms.
const BareStep = int64(flowdef.SubqueryStep / time.Millisecond)

// within walks an expression that is evaluated at other steps.
func (w *weighing) within(span, interval int64, expr parser.Expr) result {
	outer := *w
	w.span, w.steps = span, add(span/interval, 1)
	r := w.result(expr)
	w.span, w.steps = outer.span, outer.steps
	return r
}

// selected is the series of the next selector. Their labels are not made anew.
func (w *weighing) selected() result {
	r := result{series: int64(w.series.Count(w.selectors)), first: w.selectors, last: w.selectors + 1}
	w.selectors++
	return r
}

// joined is what comes of several results, of which the series are as many as the longest has.
func joined(rs ...result) result {
	out := rs[0]
	for _, r := range rs[1:] {
		out.series, out.bytes, out.last, out.others = max(out.series, r.series), max(out.bytes, r.bytes), r.last, out.others || r.others
	}
	return out
}

// call walks a function and its arguments.
func (w *weighing) call(e *parser.Call) result {
	first := w.selectors
	args := make([]result, len(e.Args))
	matrix := false
	for i, arg := range e.Args {
		args[i] = w.result(arg)
		matrix = matrix || arg.Type() == parser.ValueTypeMatrix
	}
	if len(args) == 0 {
		return result{series: 1, first: first, last: first}
	}
	out := joined(args...)
	switch {
	case e.Func.Name == "label_join" || e.Func.Name == "label_replace":
		out = args[0]
		out.others = true
		if out.bytes == 0 {
			out.bytes = w.labelBytes(first, out.last)
		}
		out.bytes = add(times(out.bytes, growth(e)), times(out.series, literals(e)))
		return w.had(out, args...)
	case matrix:
		return w.had(out, args...) // its series share their room
	}
	return w.made(out, args...)
}

// labelBytes is how long the labels of the selectors are.
func (w *weighing) labelBytes(first, last int) (n int64) {
	for s := first; s < last; s++ {
		for i := range w.series.Count(s) {
			w.series.Labels(s, i).Range(func(l labels.Label) { n += int64(len(l.Name) + len(l.Value)) })
		}
	}
	return n
}

// growth is how many times as long labels can become.
func growth(e *parser.Call) int64 {
	if e.Func.Name == "label_join" {
		return int64(max(1, len(e.Args)-3)) + 1
	}
	return int64(strings.Count(text(e, 2), "$")) + 1
}

// literals is how long the texts of a call are that come into labels, at most.
func literals(e *parser.Call) (n int64) {
	for i := range e.Args {
		n += int64(len(text(e, i)))
	}
	if e.Func.Name == "label_join" {
		n += int64(len(text(e, 2))) * int64(len(e.Args))
	}
	return n
}

// text is an argument that is a text, "" for another one.
func text(e *parser.Call, arg int) string {
	if arg < len(e.Args) {
		expr := e.Args[arg]
		for {
			switch e := expr.(type) {
			case *parser.StringLiteral:
				return e.Val
			case *parser.ParenExpr:
				expr = e.Expr
				continue
			case *parser.StepInvariantExpr:
				expr = e.Expr
				continue
			}
			break
		}
	}
	return ""
}

// operation walks a binary operation.
func (w *weighing) operation(e *parser.BinaryExpr) result {
	left, right := w.result(e.LHS), w.result(e.RHS)
	out := joined(left, right)
	switch e.Op {
	case parser.LOR:
		out.series, out.bytes = add(left.series, right.series), add(left.bytes, right.bytes)
	case parser.LAND, parser.LUNLESS:
		out.series, out.bytes = left.series, left.bytes
	}
	if e.VectorMatching != nil && len(e.VectorMatching.Include) > 0 {
		out.others = true
		out.bytes = add(left.bytes, right.bytes)
	}
	return w.made(out, left, right)
}

// aggregation walks an aggregation.
func (w *weighing) aggregation(e *parser.AggregateExpr) result {
	inner := w.result(e.Expr)
	var param result
	if e.Param != nil {
		param = w.result(e.Param)
	}
	out := inner
	switch e.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return w.made(out, inner, param)
	case parser.COUNT_VALUES:
		// At each step there can be as many series as values, and others at the next.
		out.others, out.series = true, times(out.series, min(w.steps, manyValues))
		return w.made(out, inner, param)
	}
	switch {
	case !e.Without && len(e.Grouping) == 0:
		out.series = min(out.series, 1)
	case w.exact && !out.others:
		out.series = min(out.series, w.groups(e, out.first, out.last))
	}
	return w.made(out, inner, param)
}

// manyValues is at how many steps series of count_values are taken to be new.
const manyValues = 4

// groups is how many groups the series of selectors are in at most.
func (w *weighing) groups(e *parser.AggregateExpr, first, last int) int64 {
	var buf []byte
	seen := map[string]struct{}{}
	b := labels.NewBuilder(labels.EmptyLabels())
	for s := first; s < last; s++ {
		for i := range w.series.Count(s) {
			b.Reset(w.series.Labels(s, i))
			if e.Without {
				b.Del(e.Grouping...)
				b.Del(model.MetricNameLabel)
			} else {
				b.Keep(e.Grouping...)
			}
			buf = b.Labels().Bytes(buf[:0])
			seen[string(buf)] = struct{}{}
		}
	}
	return int64(len(seen))
}
