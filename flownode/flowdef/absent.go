package flowdef

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// The absence of something is told by the residual, over a leaf without samples. But
// the engine takes the labels of its result from the selector that it is applied to,
// and that is the leaf's there. So it is applied to something that is no selector, and
// the labels are put on again:
//
//	absent(x{job="a"})            label_replace(absent(+x{job="a"}), "job", "a", "", "")
//	absent(sum(x))                absent(+sum(x))
//	absent_over_time(x[5m])       absent(+last_over_time(x[5m]))

// absence is absent or absent_over_time with its argument taken apart; nil of another
// call, and of absent_over_time over a subquery.
func (c *compiler) absence(n *parser.Call) parser.Expr {
	if n.Func.Name != "absent" && n.Func.Name != "absent_over_time" {
		return nil
	}
	var of []*labels.Matcher
	arg := n.Args[0]
	switch a := arg.(type) {
	case *parser.VectorSelector:
		of = a.LabelMatchers
	case *parser.MatrixSelector:
		of = a.VectorSelector.(*parser.VectorSelector).LabelMatchers
	}
	if n.Func.Name == "absent_over_time" {
		if of == nil {
			return nil
		}
		arg = call("last_over_time", arg) // which keeps the name, so that no two series clash
	}
	var out parser.Expr = call("absent", &parser.UnaryExpr{Op: parser.ADD, Expr: c.rewrite(arg)})
	for _, l := range absentOf(of) {
		out = call("label_replace", out, text(l.Name), text(strings.ReplaceAll(l.Value, "$", "$$")), text(""), text(""))
	}
	return out
}

// absentOf is the labels that the matchers of a selector settle, as the engine has it:
// those that one equality and nothing else asks for, by name.
func absentOf(ms []*labels.Matcher) []labels.Label {
	var out []labels.Label
	seen := map[string]bool{}
	for _, m := range ms {
		switch at := slices.IndexFunc(out, func(l labels.Label) bool { return l.Name == m.Name }); {
		case m.Name == model.MetricNameLabel:
		case m.Type == labels.MatchEqual && !seen[m.Name]:
			seen[m.Name] = true
			if m.Value != "" {
				out = append(out, labels.Label{Name: m.Name, Value: m.Value})
			}
		case at >= 0:
			out = slices.Delete(out, at, at+1)
		}
	}
	slices.SortFunc(out, func(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func call(name string, args ...parser.Expr) *parser.Call {
	return &parser.Call{Func: parser.Functions[name], Args: args}
}

func text(s string) *parser.StringLiteral { return &parser.StringLiteral{Val: s} }
