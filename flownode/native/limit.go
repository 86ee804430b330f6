package native

import (
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
)

// Limit is a function that makes histograms as coarse as sketches of the same values are
// (Coarser). No text names it: only Limited writes it into expressions.
var Limit = &parser.Function{
	Name: "histogram_over_time limit", ArgTypes: []parser.ValueType{parser.ValueTypeVector}, ReturnType: parser.ValueTypeVector,
}

// Limited is an expression, which is the caller's own, in which Limit is applied to all that
// is kept as a sketch where it is a leaf. An engine that evaluates it finds what the sketches
// give, whatever else is in the expression: sketches have a limit of buckets, and
// Prometheus's arithmetic knows none.
func Limited(e parser.Expr) parser.Expr {
	return rewrite(e, func(e parser.Expr) parser.Expr {
		switch n := e.(type) {
		case *parser.Call:
			if SketchCall(n) == nil {
				return n
			}
		case *parser.AggregateExpr:
			if inner, ok := promexpr.WithoutParens(n.Expr).(*parser.Call); !ok || inner.Func != Limit || n.Op != parser.SUM || !Merges(SketchCall(inner.Args[0])) {
				return n
			}
		}
		return &parser.Call{Func: Limit, Args: parser.Expressions{e}, PosRange: e.PositionRange()}
	})
}

// Merges reports whether a sum of a call of histogram_over_time can be kept as one sketch for
// each group: it is of samples, and of one metric, of which no two series have the same
// labels without its name. n may be nil.
func Merges(n *parser.Call) bool {
	if n == nil {
		return false
	}
	m, ok := promexpr.WithoutParens(n.Args[0]).(*parser.MatrixSelector)
	return ok && promexpr.MetricName(m.VectorSelector.(*parser.VectorSelector).LabelMatchers) != ""
}
