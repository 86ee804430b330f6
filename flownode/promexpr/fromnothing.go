package promexpr

import (
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
)

// Expressions that can have results where no selector finds a sample: numbers, the
// time, the absence of something, and what falls back on one of these. Their
// windows are those of their fence group, each with a result, as Prometheus records
// one at each evaluation.

// FromNothing reports whether the expression can have a result where all of its
// selectors are empty. It may say so of one that never has, such as vector(1) > 2:
// that costs windows that are computed in vain. It must not miss one. promeval's
// tests hold it to the engine.
func FromNothing(e parser.Expr) bool {
	if e.Type() == parser.ValueTypeScalar {
		return true // scalar(x) is NaN then
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return FromNothing(n.Expr)
	case *parser.StepInvariantExpr:
		return FromNothing(n.Expr)
	case *parser.UnaryExpr:
		return FromNothing(n.Expr)
	case *parser.VectorSelector, *parser.MatrixSelector, *parser.StringLiteral:
		return false
	case *parser.SubqueryExpr:
		return FromNothing(n.Expr)
	case *parser.AggregateExpr:
		return FromNothing(n.Expr) // nothing has no sum
	case *parser.Call:
		return callFromNothing(n)
	case *parser.BinaryExpr:
		return binaryFromNothing(n)
	default: // of a newer parser
		return true
	}
}

// callFromNothing is FromNothing of a function's result: it has some where its
// vector has, unless it makes one itself.
func callFromNothing(n *parser.Call) bool {
	switch n.Func.Name {
	case "vector", "absent", "absent_over_time":
		return true
	case "info": // the other side only adds labels
		return FromNothing(n.Args[0])
	}
	if f := function.Named(n.Func.Name); f != nil && len(n.Args) > 0 {
		return FromNothing(n.Args[0])
	}
	vectors := false
	for _, a := range n.Args {
		if t := a.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			vectors = true
			if FromNothing(a) {
				return true
			}
		}
	}
	return !vectors // minute() and its like, of the time alone
}

// binaryFromNothing is FromNothing of an operation. Numbers do not count as one
// side: with a vector on the other there are results where it has samples.
func binaryFromNothing(n *parser.BinaryExpr) bool {
	left, right := FromNothing(n.LHS), FromNothing(n.RHS)
	switch {
	case n.LHS.Type() == parser.ValueTypeScalar:
		return right
	case n.RHS.Type() == parser.ValueTypeScalar, n.Op == parser.LUNLESS:
		return left
	case n.Op == parser.LOR:
		return left || right
	}
	if m := n.VectorMatching; m != nil && (m.FillValues.LHS != nil || m.FillValues.RHS != nil) {
		return left || right // what one side lacks is filled in
	}
	return left && right
}
