package substitute

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"
)

// What can be known of results without evaluating anything: the name they have, whether an
// evaluation can fail. Both answers may be too careful, and are never wrong. The rules are
// those of Prometheus's engine; the tests hold them to it.

// nameOf is the metric's name that all results of an expression have, "" for none; known is
// false where that is not one name.
func nameOf(e parser.Expr) (name string, known bool) {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return nameOf(n.Expr)
	case *parser.StepInvariantExpr:
		return nameOf(n.Expr)
	case *parser.SubqueryExpr:
		return nameOf(n.Expr)
	case *parser.MatrixSelector:
		return nameOf(n.VectorSelector)
	case *parser.VectorSelector:
		for _, m := range n.LabelMatchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				return m.Value, m.Value != ""
			}
		}
		return "", false
	case *parser.UnaryExpr:
		if n.Op == parser.SUB {
			return dropped(n.Expr)
		}
		return nameOf(n.Expr)
	case *parser.AggregateExpr:
		return aggregateName(n)
	case *parser.Call:
		return callName(n)
	case *parser.BinaryExpr:
		return binaryName(n)
	case *parser.NumberLiteral, *parser.StringLiteral:
		return "", true
	default:
		return "", false
	}
}

// dropped is the name of what has lost that of an expression. Where the expression has
// several, two results could then have equal labels.
func dropped(e parser.Expr) (string, bool) {
	_, known := nameOf(e)
	return "", known
}

func aggregateName(n *parser.AggregateExpr) (string, bool) {
	switch n.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return nameOf(n.Expr)
	case parser.COUNT_VALUES:
		if s, ok := n.Param.(*parser.StringLiteral); !ok || s.Val == model.MetricNameLabel {
			return "", false
		}
	}
	return "", !slices.Contains(n.Grouping, model.MetricNameLabel)
}

func callName(n *parser.Call) (string, bool) {
	switch n.Func.Name {
	case "last_over_time", "first_over_time", "sort", "sort_desc":
		return nameOf(n.Args[0])
	case "label_replace", "label_join":
		if s, ok := n.Args[1].(*parser.StringLiteral); !ok || s.Val == model.MetricNameLabel {
			return "", false
		}
		return nameOf(n.Args[0])
	case "info", "sort_by_label", "sort_by_label_desc":
		return "", false
	}
	for _, a := range n.Args {
		if _, known := dropped(a); !known {
			return "", false
		}
	}
	return "", true
}

func binaryName(n *parser.BinaryExpr) (string, bool) {
	left, knownLeft := nameOf(n.LHS)
	right, knownRight := nameOf(n.RHS)
	if !knownLeft || !knownRight {
		return "", false
	}
	m := n.VectorMatching
	switch {
	case n.Op == parser.LOR:
		return left, left == right
	case n.Op.IsSetOperator():
		return left, true
	case m != nil && (slices.ContainsFunc(m.Include, schema.IsMetadataLabel) || slices.Contains(m.MatchingLabels, model.MetricNameLabel)):
		return "", false
	case n.ReturnBool || !n.Op.IsComparisonOperator():
		return "", true
	case m == nil: // between a vector and a number
		if n.LHS.Type() == parser.ValueTypeScalar {
			return right, true
		}
		return left, true
	case m.Card == parser.CardOneToMany:
		return right, true
	case m.Card == parser.CardOneToOne && m.On:
		return "", true
	}
	return left, true
}

// unfailing reports whether an expression can be evaluated over whatever samples there are.
// What fails over all of them does not count.
func unfailing(e parser.Expr) bool {
	ok := true
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.Call:
			// These can make two label sets equal; others do where names differ.
			ok = ok && n.Func.Name != "label_replace" && n.Func.Name != "label_join" && named(n)
		case *parser.UnaryExpr:
			ok = ok && named(n)
		case *parser.AggregateExpr:
			ok = ok && (!slices.Contains(picking, n.Op) || constant(n.Param))
		case *parser.BinaryExpr:
			ok = ok && (n.Op.IsSetOperator() || named(n)) && matchingUnfailing(n)
		}
		return nil
	})
	return ok
}

// picking is the aggregations that pick samples. Their parameter must not be NaN.
var picking = []parser.ItemType{parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO}

// constant reports whether an expression is a number.
func constant(e parser.Expr) bool {
	for {
		paren, ok := e.(*parser.ParenExpr)
		if !ok {
			break
		}
		e = paren.Expr
	}
	_, ok := e.(*parser.NumberLiteral)
	return ok
}

func named(e parser.Expr) bool {
	_, known := nameOf(e)
	return known
}

// matchingUnfailing reports whether no two series of one side are matched to one of the
// other, unless that is allowed.
func matchingUnfailing(n *parser.BinaryExpr) bool {
	m := n.VectorMatching
	switch {
	case m == nil, n.Op.IsSetOperator():
		return true
	case m.FillValues.LHS != nil, m.FillValues.RHS != nil, len(m.Include) > 0:
		return false
	}
	return (m.Card == parser.CardManyToOne || apart(n.LHS, m)) && (m.Card == parser.CardOneToMany || apart(n.RHS, m))
}

// apart reports whether no two results of an expression agree in the labels that are matched.
func apart(e parser.Expr, m *parser.VectorMatching) bool {
	if !named(e) {
		return false
	}
	if !m.On && len(m.MatchingLabels) == 0 {
		return true // all labels are matched
	}
	names, known := labelsOf(e)
	if !known {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(m.MatchingLabels, name) != m.On })
}

// labelsOf is the labels that results of an expression can have; known is false where that
// can be any.
func labelsOf(e parser.Expr) (names []string, known bool) {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return labelsOf(n.Expr)
	case *parser.StepInvariantExpr:
		return labelsOf(n.Expr)
	case *parser.SubqueryExpr:
		return labelsOf(n.Expr)
	case *parser.UnaryExpr:
		return labelsOf(n.Expr)
	case *parser.AggregateExpr:
		switch n.Op {
		case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
			return labelsOf(n.Expr)
		case parser.COUNT_VALUES:
			return nil, false
		}
		return n.Grouping, !n.Without
	case *parser.BinaryExpr:
		switch m := n.VectorMatching; {
		case m != nil:
			return nil, false
		case n.LHS.Type() == parser.ValueTypeScalar:
			return labelsOf(n.RHS)
		}
		return labelsOf(n.LHS)
	default:
		return nil, false
	}
}
