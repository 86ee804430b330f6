package substitute

import (
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/sequence"
)

// Times is the times that an expression is evaluated at: First, First+Step, ..., N of them.
type Times struct {
	First sequence.Time
	Step  int64 // more than 0 where N is more than 1
	N     int64
}

// At is time i.
func (t Times) At(i int64) sequence.Time { return t.First + i*t.Step }

// Last is the last time.
func (t Times) Last() sequence.Time { return t.At(t.N - 1) }

// On reports whether all times are multiples of a step, and after 1970.
func (t Times) On(every int64) bool {
	return t.First > 0 && t.First%every == 0 && (t.N == 1 || t.Step%every == 0)
}

// mostTimes is how many times a part may be evaluated at: it is decided one by one which are
// covered. Subqueries can have more.
const mostTimes = 200_000

// Walk visits the parts of an expression that give a vector, from the top down, each with
// the times it is evaluated at. What is below a part is visited if visit returns false.
// bareStep is the step of subqueries that state none.
//
// Left out are parts that are more than what they give to what stands around them: of
// absent(x) and timestamp(x), the selector; and what a fixed time decides.
func Walk(e parser.Expr, at Times, bareStep int64, visit func(e parser.Expr, at Times) bool) {
	w := walker{bareStep: bareStep, visit: visit}
	w.walk(e, at)
}

type walker struct {
	bareStep int64
	visit    func(e parser.Expr, at Times) bool
}

func (w *walker) walk(e parser.Expr, at Times) {
	if at.N <= 0 || at.N > mostTimes {
		return
	}
	if paren, ok := e.(*parser.ParenExpr); ok {
		w.walk(paren.Expr, at)
		return
	}
	if e.Type() == parser.ValueTypeVector && w.visit(e, at) {
		return
	}
	switch n := e.(type) {
	case *parser.UnaryExpr:
		w.walk(n.Expr, at)
	case *parser.BinaryExpr:
		w.walk(n.LHS, at)
		w.walk(n.RHS, at)
	case *parser.AggregateExpr:
		if n.Param != nil {
			w.walk(n.Param, at)
		}
		w.walk(n.Expr, at)
	case *parser.Call:
		for _, a := range n.Args {
			if !special(n, a) {
				w.walk(a, at)
			}
		}
	case *parser.SubqueryExpr:
		if n.Timestamp == nil && n.StartOrEnd == 0 {
			w.walk(n.Expr, w.within(n, at))
		}
	}
}

// special reports whether a function looks at its argument's form.
func special(n *parser.Call, arg parser.Expr) bool {
	switch n.Func.Name {
	case "info":
		return true
	case "absent", "timestamp":
		for {
			switch a := arg.(type) {
			case *parser.ParenExpr:
				arg = a.Expr
			case *parser.StepInvariantExpr:
				arg = a.Expr
			default:
				_, selector := arg.(*parser.VectorSelector)
				return selector
			}
		}
	}
	return false
}

// within is the times at which the engine evaluates what is inside a subquery: all multiples
// of its step from the first range to the end of the last.
func (w *walker) within(n *parser.SubqueryExpr, at Times) Times {
	step, offset := n.Step.Milliseconds(), n.OriginalOffset.Milliseconds()
	if step == 0 {
		step = w.bareStep
	}
	after := at.First - offset - n.Range.Milliseconds()
	first := after / step * step
	if first <= after {
		first += step
	}
	last := at.Last() - offset
	if last < first {
		return Times{}
	}
	return Times{First: first, Step: step, N: (last-first)/step + 1}
}
