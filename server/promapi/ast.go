package promapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
)

// expressions answers with expressions, of which nothing is read.
type expressions struct{ *core }

// mostLaidOut is how many operators and parentheses an expression may have to be laid out in
// several lines; one that has more is answered in one.
const mostLaidOut = 200

// formatQuery answers /format_query: an expression, laid out.
func (a expressions) formatQuery(r *http.Request) answer {
	expr, err := a.cfg.Queries.Parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return refuseParameter("query", err)
	}
	// Laying out takes time that grows with the cube of how deep it nests.
	if parts, err := promexpr.Parts(r.FormValue("query")); err != nil || parts > mostLaidOut {
		return answer{data: expr.String()}
	}
	return answer{data: expr.Pretty(0)}
}

// parseQuery answers /parse_query: the tree of an expression, as Prometheus's page and
// Perses draw it.
func (a expressions) parseQuery(r *http.Request) answer {
	expr, err := a.cfg.Queries.Parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return refuseParameter("query", err)
	}
	return answer{data: tree(expr)}
}

// node is a node of the tree; each kind has the fields that Prometheus gives it.
type node map[string]any

// tree is an expression as JSON; nil where there is none.
func tree(expr parser.Expr) any {
	switch e := expr.(type) {
	case *parser.AggregateExpr:
		return node{"type": "aggregation", "op": e.Op.String(), "expr": tree(e.Expr), "param": tree(e.Param), "grouping": list(e.Grouping), "without": e.Without}
	case *parser.BinaryExpr:
		return node{"type": "binaryExpr", "op": e.Op.String(), "lhs": tree(e.LHS), "rhs": tree(e.RHS), "matching": matching(e.VectorMatching), "bool": e.ReturnBool}
	case *parser.Call:
		args := make([]any, 0, len(e.Args))
		for _, arg := range e.Args {
			args = append(args, tree(arg))
		}
		return node{"type": "call", "args": args, "func": node{
			"name": e.Func.Name, "argTypes": e.Func.ArgTypes, "variadic": e.Func.Variadic, "returnType": e.Func.ReturnType,
		}}
	case *parser.VectorSelector:
		return selector(e, "vectorSelector")
	case *parser.MatrixSelector:
		inner, ok := e.VectorSelector.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		n := selector(inner, "matrixSelector")
		n["range"], n["rangeExpr"] = e.Range.Milliseconds(), duration(e.RangeExpr)
		return n
	case *parser.SubqueryExpr:
		n := node{"type": "subquery", "expr": tree(e.Expr), "range": e.Range.Milliseconds(), "rangeExpr": duration(e.RangeExpr), "step": e.Step.Milliseconds(), "stepExpr": duration(e.StepExpr)}
		return n.shifted(e.OriginalOffset, e.OriginalOffsetExpr, e.Timestamp, e.StartOrEnd)
	case *parser.DurationExpr:
		return duration(e)
	case *parser.NumberLiteral:
		return node{"type": "numberLiteral", "val": strconv.FormatFloat(e.Val, 'f', -1, 64)}
	case *parser.StringLiteral:
		return node{"type": "stringLiteral", "val": e.Val}
	case *parser.ParenExpr:
		return node{"type": "parenExpr", "expr": tree(e.Expr)}
	case *parser.UnaryExpr:
		return node{"type": "unaryExpr", "op": e.Op.String(), "expr": tree(e.Expr)}
	}
	return nil
}

// selector is a selector, of a vector or inside a matrix.
func selector(s *parser.VectorSelector, kind string) node {
	n := node{"type": kind, "name": s.Name, "matchers": matchers(s.LabelMatchers), "anchored": s.Anchored, "smoothed": s.Smoothed}
	return n.shifted(s.OriginalOffset, s.OriginalOffsetExpr, s.Timestamp, s.StartOrEnd)
}

// shifted adds an offset and a fixed time.
func (n node) shifted(offset time.Duration, expr *parser.DurationExpr, at *int64, edge parser.ItemType) node {
	n["offset"], n["offsetExpr"], n["timestamp"], n["startOrEnd"] = offset.Milliseconds(), duration(expr), at, nil
	if edge != 0 {
		n["startOrEnd"] = edge.String()
	}
	return n
}

// duration is a duration that is computed; nil where there is none.
func duration(expr parser.Expr) any {
	switch e := expr.(type) {
	case *parser.DurationExpr:
		if e == nil {
			return nil
		}
		return node{"type": "durationExpr", "op": e.Op.String(), "lhs": duration(e.LHS), "rhs": duration(e.RHS), "wrapped": e.Wrapped}
	case *parser.NumberLiteral:
		if e == nil {
			return nil
		}
		return node{"type": "numberLiteral", "val": strconv.FormatFloat(e.Val, 'f', -1, 64), "duration": e.Duration}
	}
	return tree(expr)
}

// matching is how the sides of a binary expression are matched; nil for scalars.
func matching(m *parser.VectorMatching) any {
	if m == nil {
		return nil
	}
	return node{
		"card": m.Card.String(), "labels": list(m.MatchingLabels), "on": m.On, "include": list(m.Include),
		"fillValues": map[string]*float64{"lhs": m.FillValues.LHS, "rhs": m.FillValues.RHS},
	}
}

func matchers(ms []*labels.Matcher) []node {
	out := make([]node, 0, len(ms))
	for _, m := range ms {
		out = append(out, node{"name": m.Name, "value": m.Value, "type": m.Type.String()})
	}
	return out
}

// list is a list that is never null.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
