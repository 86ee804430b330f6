package flowdef

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// elementwise is the functions that turn each sample of their first argument
// into at most one, with the same labels but for the metric name.
var elementwise = map[string]bool{
	"abs": true, "ceil": true, "floor": true, "round": true, "sgn": true,
	"clamp": true, "clamp_min": true, "clamp_max": true,
	"exp": true, "ln": true, "log2": true, "log10": true, "sqrt": true,
	"sin": true, "cos": true, "tan": true, "asin": true, "acos": true, "atan": true,
	"sinh": true, "cosh": true, "tanh": true, "asinh": true, "acosh": true, "atanh": true,
	"deg": true, "rad": true,
	"minute": true, "hour": true, "day_of_week": true, "day_of_month": true,
	"day_of_year": true, "days_in_month": true, "month": true, "year": true,
	"sort": true, "sort_desc": true,
}

// byGroup proves D3 of an expression with its leaves replaced, or returns
// false: there is one leaf, used once, and everything above it looks at one
// sample at a time.
func (c *Compiled) byGroup(e parser.Expr) bool {
	if len(c.Leaves) != 1 {
		return false
	}
	if _, ok := leafAt(e); ok {
		return true
	}
	// Above the leaf, most operations drop the metric name, and then samples of
	// two groups can come to have equal labels, which is an error of the whole
	// window. With one metric name, or none in the leaf's labels, they cannot.
	if l := &c.Leaves[0]; l.Metric == "" && l.Func.KeepsName() && l.mayKeepName() {
		return false
	}
	return perSample(e)
}

// mayKeepName reports whether the aggregation of the leaf lets the metric name
// through.
func (l *Leaf) mayKeepName() bool {
	if l.Agg == AggNone {
		return true
	}
	for _, name := range l.Grouping {
		if name == model.MetricNameLabel {
			return !l.Without
		}
	}
	return false
}

// perSample reports whether e is a vector that holds, for each sample of the
// leaf, nothing or one sample that depends on it and on the time only.
func perSample(e parser.Expr) bool {
	if _, ok := leafAt(e); ok {
		return true
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return perSample(n.Expr)
	case *parser.UnaryExpr:
		return perSample(n.Expr)
	case *parser.BinaryExpr:
		return constant(n.LHS) && perSample(n.RHS) || perSample(n.LHS) && constant(n.RHS)
	case *parser.Call:
		if !elementwise[n.Func.Name] || len(n.Args) == 0 {
			return false
		}
		for _, a := range n.Args[1:] {
			if !constant(a) {
				return false
			}
		}
		return perSample(n.Args[0])
	default:
		return false
	}
}

// constant reports whether e is a scalar that depends on no leaf.
func constant(e parser.Expr) bool {
	if e.Type() != parser.ValueTypeScalar {
		return false
	}
	ok := true
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if _, is := n.(*parser.VectorSelector); is {
			ok = false
		}
		return nil
	})
	return ok
}

// leafAt returns the leaf that e is, parentheses aside.
func leafAt(e parser.Expr) (int, bool) {
	if sel, ok := stripParens(e).(*parser.VectorSelector); ok {
		return LeafOf(sel.LabelMatchers)
	}
	return 0, false
}
