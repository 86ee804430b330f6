package promexpr

import (
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// WithoutParens is the expression inside parentheses, and inside the marks that
// the engine puts on what has one value in all steps of a query.
func WithoutParens(e parser.Expr) parser.Expr {
	for {
		switch n := e.(type) {
		case *parser.ParenExpr:
			e = n.Expr
		case *parser.StepInvariantExpr:
			e = n.Expr
		default:
			return e
		}
	}
}

// Parent is the node that a node with these ancestors stands in; nil for the
// whole expression.
func Parent(path []parser.Node) parser.Node {
	if len(path) == 0 {
		return nil
	}
	return path[len(path)-1]
}

// Numbers and constants are two things. A number is known when the definition is
// read, and may be the argument of a leaf's function. A constant is the same for
// all groups of one window, and may stand beside a leaf in an expression that is
// evaluated group by group: time() is a constant and no number.

// MetricName returns the one metric name that the matchers demand, or "". A
// regular expression demands one where it is just a name: {__name__=~"a"}.
func MetricName(ms []*labels.Matcher) string {
	for _, m := range ms {
		if m.Name != model.MetricNameLabel || m.Value == "" {
			continue // {__name__=""} demands that there is no name
		}
		if m.Type == labels.MatchEqual {
			return m.Value
		}
		if set := m.SetMatches(); m.Type == labels.MatchRegexp && len(set) == 1 {
			return set[0]
		}
	}
	return ""
}

// String is the value of a string literal; "" of anything else, which the
// parser does not let through where a string belongs.
func String(e parser.Expr) string {
	if s, ok := WithoutParens(e).(*parser.StringLiteral); ok {
		return s.Val
	}
	return ""
}

// Number evaluates arithmetic on numbers, as the engine does: `4 * 3600`, as the
// argument of a function. ok is false where e is anything else, such as time(),
// which has another value in each window.
func Number(e parser.Expr) (v float64, ok bool) {
	switch n := WithoutParens(e).(type) {
	case *parser.NumberLiteral: // durations are among them: 1h is 3600
		return n.Val, true
	case *parser.UnaryExpr:
		v, ok = Number(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		l, okL := Number(n.LHS)
		r, okR := Number(n.RHS)
		v, ok = arithmetic(n.Op, l, r)
		return v, ok && okL && okR
	default:
		return 0, false
	}
}

// arithmetic is one operation on two numbers; ok is false for comparisons, which
// give no number without `bool`.
func arithmetic(op parser.ItemType, l, r float64) (v float64, ok bool) {
	switch op {
	case parser.ADD:
		return l + r, true
	case parser.SUB:
		return l - r, true
	case parser.MUL:
		return l * r, true
	case parser.DIV:
		return l / r, true
	case parser.MOD:
		return math.Mod(l, r), true
	case parser.POW:
		return math.Pow(l, r), true
	default:
		return 0, false
	}
}

// NotConstant is the opposite of Constant, for slices.ContainsFunc.
func NotConstant(e parser.Expr) bool { return !Constant(e) }

// Constant reports whether e is a scalar that depends on no leaf: a number, or
// the time of evaluation. scalar(x) is a scalar and depends on one.
func Constant(e parser.Expr) bool {
	if e.Type() != parser.ValueTypeScalar {
		return false
	}
	ok := true
	// A selector stands for a leaf or, in a batch expression, for samples.
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if _, is := n.(*parser.VectorSelector); is {
			ok = false
		}
		return nil
	})
	return ok
}

// DropsName reports whether a binary operation makes a new quantity of its
// operands, so that the metric name would be wrong: a + 1 does, and a > 1 does
// not, unless it is asked for 0 or 1 by `bool`.
func DropsName(n *parser.BinaryExpr) bool {
	return n.ReturnBool || !n.Op.IsComparisonOperator() && !n.Op.IsSetOperator()
}
