package flowdef

import (
	"laminar/flownode/function"
	"laminar/flownode/promexpr"
	"laminar/flownode/session"

	"github.com/prometheus/prometheus/promql/parser"
)

// Flows of sessions. PromQL is the selector, the grouping and the value; the key
// `session` says what a session is:
//
//	promql: sum by (user) (request_seconds)
//	session: {gap: 10m, max: 1d, when: "> 0"}
//
// A session ends where samples do and not at a step. Such a flow has one leaf, whose
// panes are the halves of package session. All sessions that end up to emitted-until are
// closed; it moves by SessionStep.

// SessionStep is the step of the windows of flows of sessions, ms: how exactly it is known
// up to where sessions are closed. No session begins or ends at a multiple of it.
const SessionStep = int64(1000)

// sessionForm is what an expression under `session` has to look like.
const sessionForm = "with `session` the expression is an aggregation of a selector, as in sum by (user) (x), with sum, count, min, max or avg"

// Step is how far apart results of a flow are, for people.
func Step(f Flow) string {
	if f.Session != nil {
		return "session"
	}
	return FormatMillis(f.Every)
}

// compileSession compiles the expression of a flow of sessions, whose rule is checked. It
// returns the rule with its value, and the expression's normal spelling.
func compileSession(promql string, rule session.Rule) (Compiled, *session.Rule, string, error) {
	expr, err := parseExpr(promql)
	if err != nil {
		return Compiled{}, nil, "", err
	}
	comp := compiler{byText: map[string]int{}, lookback: DefaultLookback}
	agg, ok := promexpr.WithoutParens(expr).(*parser.AggregateExpr)
	if !ok {
		comp.refuse(expr, "%s", sessionForm)
		return Compiled{}, nil, "", comp.errs
	}
	sel, ok := promexpr.WithoutParens(agg.Expr).(*parser.VectorSelector)
	switch {
	case !ok:
		comp.refuse(agg.Expr, "%s", sessionForm)
	case sel.OriginalOffset != 0 || sel.Timestamp != nil || sel.StartOrEnd != 0:
		comp.refuse(sel, "with `session` a selector has neither offset nor @: a session is where its samples are")
	default:
		comp.checkSelector(sel)
	}
	switch agg.Op {
	case parser.SUM, parser.COUNT, parser.MIN, parser.MAX, parser.AVG:
	default:
		comp.refuse(agg, "%s", sessionForm)
	}
	if len(comp.errs) == 0 {
		comp.leaf(agg)
	}
	if len(comp.errs) > 0 {
		return Compiled{}, nil, "", comp.errs
	}
	op := session.Value(agg.Op.String())
	if rule.Value == "" {
		rule.Value = op
	}
	// The stored form names the value, also where the aggregation does.
	if rule.Value != op && (op != session.Sum || rule.Value != session.First && rule.Value != session.Last && rule.Value != session.Increase) {
		comp.refuse(agg, "with `session` the aggregation is the value, and `value` has first, last or increase instead, under sum: `%s` under %s is neither", rule.Value, op)
		return Compiled{}, nil, "", comp.errs
	}
	leaf := comp.leaves[0]
	leaf.Session, leaf.Func = &rule, function.Instant
	leaf.Offset, leaf.Range = -rule.Gap, rule.Reach()+rule.Gap
	leaf.Pane, leaf.Panes = rule.Half(), rule.Reach()/rule.Half()
	c := Compiled{Leaves: []Leaf{leaf}, MaxRange: leaf.Range, MaxReach: leaf.Offset + leaf.Range, MinOffset: leaf.Offset}
	if err := c.infer(LeafSelector(0)); err != nil {
		return Compiled{}, nil, "", ExprErrors{{Message: err.Error()}}
	}
	return c, &rule, agg.String(), nil
}

// compile compiles the flow's expression, which may be one of sessions.
func compile(f *Flow, promql string) (c Compiled, normal string, err error) {
	if f.Session == nil {
		c, normal, f.Every, err = f.source(promql).compile()
		return c, normal, err
	}
	c, rule, normal, err := compileSession(promql, *f.Session)
	if err == nil {
		f.Every, f.Session = SessionStep, rule
	}
	return c, normal, err
}
