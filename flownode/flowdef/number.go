package flowdef

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"
)

// number evaluates arithmetic on numbers, as the engine does: `4 * 3600`. ok is
// false where e is anything else.
func number(e parser.Expr) (v float64, ok bool) {
	switch n := stripParens(e).(type) {
	case *parser.NumberLiteral:
		return n.Val, true
	case *parser.UnaryExpr:
		v, ok = number(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		l, okL := number(n.LHS)
		r, okR := number(n.RHS)
		v, ok = arithmetic(n.Op, l, r)
		return v, ok && okL && okR
	default:
		return 0, false
	}
}

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
