package flowdef

import (
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/promexpr"
	"laminar/flownode/promfunc"
)

// Compilation, from the text to a Compiled. The parsed expression is walked from
// the top down. Where a part has the form of a leaf, it is replaced by a selector
// that stands for it; what is left when the walk ends is the residual. The walk
// goes into everything else, to find refusals and reasons to evaluate the
// expression whole. If there is such a reason, leaves and residual are thrown
// away, and what the selectors read takes their place.
//
// The residual is an expression of PromQL like any other, and a leaf's vector at
// a window's end is what a scrape at that moment would have stored. So nothing
// above a leaf needs an implementation here, and what Prometheus adds to its
// operators is there with the next version of its engine. What must be known of
// an operation is which labels it leaves (infer) and whether it looks at one
// sample at a time (bygroup); not knowing either costs speed, not correctness.

// Compile takes an expression apart into leaves and a residual for windows
// that end every so many ms, and returns the step in use: every itself or, when
// it is 0, the one range that all leaves have. Instant selectors look back
// DefaultLookback. It reports all faults at once, as ExprErrors. Definitions are
// compiled by Define and Unmarshal, which know the flow's own lookback.
func Compile(promql string, every int64) (Compiled, int64, error) {
	c, _, step, err := source{promql, every, DefaultLookback, nil}.compile()
	return c, step, err
}

// source is what an expression is compiled from.
type source struct {
	promql          string
	every, lookback int64               // ms
	results         map[string][]string // Flow.Results
}

// source is what the flow's expression is compiled from.
func (f *Flow) source(promql string) source { return source{promql, f.Every, f.Lookback, f.Results} }

// compile is Compile of a source. It also returns the expression's normal spelling, which
// is the one that is stored.
func (s source) compile() (c Compiled, normal string, step int64, err error) {
	return s.compileFor(false)
}

// compileFor is compile; ofNative asks for leaves that series with native histograms
// can be kept by (nativeleaf.go). An expression that works only on such series gets them
// unasked.
func (s source) compileFor(ofNative bool) (c Compiled, normal string, step int64, err error) {
	expr, err := parseExpr(s.promql)
	if err != nil {
		return Compiled{}, "", 0, err
	}
	normal = expr.String()
	comp := compiler{byText: map[string]int{}, lookback: s.lookback, native: ofNative}
	comp.checkResult(expr)
	comp.checkSteps(expr, 1)
	comp.selections = selections(expr, s.lookback) // before rewrite takes selectors out
	residual := comp.rewrite(expr)
	// Refusals come first: an expression that cannot be had at all is not one that
	// lacks a step.
	if len(comp.errs) > 0 {
		return Compiled{}, "", 0, comp.errs
	}
	asWritten, err := parseExpr(normal) // rewrite has taken the other apart
	if err != nil {
		return Compiled{}, "", 0, err
	}
	if comp.ofNative && !ofNative {
		return s.compileFor(true)
	}
	c = Compiled{Leaves: comp.leaves}
	if len(comp.batch) > 0 {
		// Residual stays nil: the flow's own text is what the engine gets.
		c = Compiled{Leaves: comp.selections, Batch: true, Why: strings.Join(comp.batch, "; ")}
		residual = asWritten
	}
	c.FromNothing = promexpr.FromNothing(asWritten)
	if step, err = c.cut(s.every); err != nil {
		return Compiled{}, "", 0, ExprErrors{{Message: err.Error(), reason: err}}
	}
	c.knowResults(s.results)
	if err := c.infer(residual); err != nil {
		return Compiled{}, "", 0, ExprErrors{{Message: err.Error()}}
	}
	// An expression that is its only leaf needs no evaluation above it.
	if _, ok := leafAt(residual); !ok && !c.Batch {
		c.Residual = residual
	}
	// Windows without panes are computed from floats.
	if !c.Batch && slices.ContainsFunc(c.Leaves, func(l Leaf) bool { return l.Native && l.Batch }) {
		c = c.Whole("windows of histograms are computed whole where they have too many panes")
	}
	return c, normal, step, nil
}

// promParser accepts what a stock Prometheus does, and experimental functions
// too: for some there is a better answer than that they are experimental.
var promParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// parseExpr parses an expression. Its faults are those of the parser, with their
// places, except for one that deserves a hint: of an aggregation over a range
// without a function the parser only says that types differ.
func parseExpr(promql string) (parser.Expr, error) {
	expr, err := promParser.ParseExpr(promql)
	if err == nil {
		return expr, nil
	}
	if at := promfunc.BareRanges(expr); len(at) > 0 {
		return nil, ExprErrors{{Pos: int(at[0].Start), Message: "range vector directly under an aggregation has a meaning in bare lists only: " +
			"name the function over the range, such as sum(rate(x[5m])) or sum(sum_over_time(x[5m]))"}}
	}
	// The parser reports several faults of types at once, and one of syntax.
	var several parser.ParseErrors
	if !errors.As(err, &several) || len(several) == 0 {
		return nil, ExprErrors{{Message: err.Error()}}
	}
	out := make(ExprErrors, len(several))
	for i, one := range several {
		out[i] = ExprError{Pos: int(one.PositionRange.Start), Message: one.Err.Error()}
	}
	return nil, out
}

// checkResult refuses expressions that give no vector. A scalar becomes a vector
// of one sample without labels.
func (c *compiler) checkResult(expr parser.Expr) {
	switch t := expr.Type(); t {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	case parser.ValueTypeMatrix:
		c.refuse(expr, "gives a range vector, not one value per series: apply a function to it, such as rate(...)")
	default:
		c.refuse(expr, "gives a %s, not numbers", parser.DocumentedType(t))
	}
}

// rewrite replaces the leaves in e by their selectors, from the top down, so
// that each leaf is as large as it can be: of sum(rate(a[5m])) the whole is the
// leaf, with a result per group, and not the rate alone, with one per series.
func (c *compiler) rewrite(e parser.Expr) parser.Expr {
	if sel, ok := c.leaf(e); ok {
		return sel
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		n.Expr = c.rewrite(n.Expr)
	case *parser.UnaryExpr:
		n.Expr = c.rewrite(n.Expr)
	case *parser.StepInvariantExpr: // the engine's mark on what is one value in all steps
		n.Expr = c.rewrite(n.Expr)
	case *parser.BinaryExpr:
		n.LHS, n.RHS = c.rewrite(n.LHS), c.rewrite(n.RHS)
	case *parser.AggregateExpr: // over something that is no leaf, or such as topk
		if n.Param != nil {
			n.Param = c.rewrite(n.Param)
		}
		n.Expr = c.rewrite(n.Expr)
		c.checkAggregation(n)
	case *parser.Call:
		// What is inside a refused call does not matter any more.
		if reason := refusedCall(n); reason != "" {
			c.refuse(n, "%s: %s", n.Func.Name, reason)
			return n
		}
		c.ofNative = c.ofNative || function.OfNative(n.Func.Name) && !native.HasSketch(n)
		c.checkAccuracy(n)
		if a := c.absence(n); a != nil {
			return a
		}
		if reason := wholeCall(n); reason != "" {
			c.whole(n.Func.Name + " " + reason)
		}
		for i := range n.Args {
			n.Args[i] = c.rewrite(n.Args[i])
		}
		c.checkLabelCall(n)
	case *parser.SubqueryExpr:
		c.whole("the expression inside a subquery has no state of its own")
		c.checkTime(n, n.Timestamp, n.StartOrEnd, n.OriginalOffset)
		n.Expr = c.rewrite(n.Expr)
	case *parser.MatrixSelector: // of a function that is no leaf
		c.checkSelector(n.VectorSelector.(*parser.VectorSelector))
	case *parser.NumberLiteral, *parser.StringLiteral:
	default: // of a newer parser
		c.refuse(n, "%T is not known", n)
	}
	return e
}

// leaf makes a leaf of e if it has the form of one, and returns the selector
// that stands for it. A form is not enough: a function must be in the table, over
// a selector and not a subquery, and its argument, if it has one, a number.
// Parentheses around the parts of a leaf go, so that leaves which differ only in
// them have one text. Some expressions and their leaves:
//
//	sum by (job) (rate(a[5m]))       all of it
//	60 * rate(a[5m])                 rate(a[5m])
//	sum(rate(a[5m]) * 60)            rate(a[5m]): the multiplication is between
//	                                 it and the sum
//	sum(a) / sum(a offset 1d)        sum(a), sum(a offset 1d)
//	topk(5, a)                       a: topk is no aggregation to one value
//	count(sum by (job) (a))          all of it: see chain.go
//	rate(sum(a)[5m:1m])              none: the expression is evaluated whole
func (c *compiler) leaf(e parser.Expr) (parser.Expr, bool) {
	var leaf Leaf
	inner := e
	if agg, ok := e.(*parser.AggregateExpr); ok {
		kind := function.AggregationNamed(agg.Op.String())
		if kind == nil || !c.aggregates(kind, agg.Expr) {
			return nil, false
		}
		inner = leaf.aggregate(agg, kind)
		if of := leaf.countGroups(inner); of != nil {
			inner = of
		}
	}
	var sel *parser.VectorSelector
	switch n := inner.(type) {
	case *parser.VectorSelector:
		leaf.Func, leaf.Range = function.Instant, c.lookback
		sel = n
	case *parser.Call:
		known := function.Named(n.Func.Name)
		if known == nil {
			return nil, false
		}
		if known.Of != "" && leaf.Agg != nil {
			return nil, false // the aggregation is above the leaf, and not in it
		}
		if known.Of != "" {
			return c.leafAround(n, known)
		}
		m, ok := promexpr.WithoutParens(n.Args[0]).(*parser.MatrixSelector)
		if !ok { // a subquery, which wholeCall and rewrite give reasons for
			return nil, false
		}
		if len(n.Args) == 2 {
			if leaf.Param, ok = promexpr.Number(n.Args[1]); !ok {
				return nil, false
			}
		} else if known == function.HistogramOverTime {
			leaf.Param = native.DefaultAccuracy
		}
		c.checkAccuracy(n)
		n.Args[0] = m
		leaf.Func, leaf.Range = known, millis(m.Range)
		if known.Before {
			leaf.Lead = c.lookback
			leaf.Range += leaf.Lead
		}
		sel = m.VectorSelector.(*parser.VectorSelector)
	default:
		return nil, false
	}
	if leaf.CountsGroups && leaf.Func.Always() {
		leaf.Func, leaf.Range, leaf.Lead = function.Seen, leaf.Range-leaf.Lead, 0
	}
	return c.add(leaf, sel, e), true
}

// aggregate makes the leaf end in an aggregation, and returns what that is of.
func (l *Leaf) aggregate(agg *parser.AggregateExpr, kind *function.Aggregation) parser.Expr {
	// by (b, a, a) is by (a, b): one leaf, and one spelling.
	slices.Sort(agg.Grouping)
	agg.Grouping = slices.Compact(agg.Grouping)
	agg.Expr = promexpr.WithoutParens(agg.Expr)
	l.Agg, l.Without, l.Grouping = kind, agg.Without, agg.Grouping
	return agg.Expr
}

// leafAround is leaf for a function that is written around another, with an aggregation
// between them or none:
//
//	count_distinct(sum by (job) (values_over_time(a[5m])))
//
// The aggregation is of what lies between, so there must be one partial for each group,
// which needs a selector that names one metric (keep.Members).
func (c *compiler) leafAround(n *parser.Call, known *function.Function) (parser.Expr, bool) {
	var leaf Leaf
	inner := promexpr.WithoutParens(n.Args[0])
	agg, aggregates := inner.(*parser.AggregateExpr)
	if aggregates {
		kind := function.AggregationNamed(agg.Op.String())
		if !known.Merges(kind) {
			return nil, false
		}
		inner = leaf.aggregate(agg, kind)
	}
	of, ok := inner.(*parser.Call)
	if !ok || of.Func.Name != known.Of {
		return nil, false
	}
	m, ok := promexpr.WithoutParens(of.Args[0]).(*parser.MatrixSelector)
	if !ok {
		return nil, false
	}
	sel := m.VectorSelector.(*parser.VectorSelector)
	leaf.Matchers, leaf.Metric = sel.LabelMatchers, promexpr.MetricName(sel.LabelMatchers)
	if aggregates && len(leaf.Names()) != 1 {
		return nil, false
	}
	// Parentheses go, as in other leaves.
	of.Args[0] = m
	if n.Args[0] = of; aggregates {
		n.Args[0] = agg
	}
	leaf.Func, leaf.Range = known, millis(m.Range)
	return c.add(leaf, sel, n), true
}

// add makes a leaf of what is known of it, unless one of the same text is there, and
// returns the selector that stands for it. e is all of the leaf.
func (c *compiler) add(leaf Leaf, sel *parser.VectorSelector, e parser.Expr) parser.Expr {
	c.checkSelector(sel)
	if leaf.Native = c.native || leaf.Sketch(); c.native && !leaf.Func.Histograms {
		c.whole(leaf.Func.Name + " is not kept for native histograms")
	}
	if leaf.Offset = millis(sel.OriginalOffset); leaf.Func.FromEnd && leaf.Offset < 0 {
		// With samples on both sides of the moment that the engine counts time
		// from, infinite values come out differently.
		c.whole(leaf.Func.Name + " with a negative offset has the window's end among its samples")
	}
	leaf.Matchers = sel.LabelMatchers
	leaf.Metric = promexpr.MetricName(sel.LabelMatchers)
	leaf.Text = e.String()
	i, ok := c.byText[leaf.Text]
	if !ok { // the text holds everything that a leaf is made of
		i = len(c.leaves)
		leaf.Index = i
		c.byText[leaf.Text] = i
		c.leaves = append(c.leaves, leaf)
	}
	return LeafSelector(i)
}
