package flowdef

import (
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/function"
)

// labelSet is the labels that the results of an expression can have, or, if
// not known, any.
type labelSet struct {
	known bool
	names []string // sorted
}

var (
	anyLabels = labelSet{}
	noLabels  = labelSet{known: true}
)

func knownLabels(names ...string) labelSet {
	names = slices.Clone(names)
	slices.Sort(names)
	return labelSet{known: true, names: slices.Compact(names)}
}

// infer settles LabelsKnown, ResultLabels, KeepName and ByGroup from the
// expression with its leaves replaced.
func (c *Compiled) infer(e parser.Expr) error {
	set := c.labelsOf(e)
	c.LabelsKnown = set.known
	c.ResultLabels = set.names
	c.KeepName = c.mayDifferInName(e)
	c.ByGroup = !c.Batch && c.byGroup(e)
	for _, name := range c.ResultLabels {
		if strings.ContainsRune(name, 0) {
			return errors.New("label " + quote(name) + " has a zero byte in its name, which PostgreSQL cannot hold")
		}
	}
	return nil
}

// labelsOf follows the labels through an expression, as Prometheus's engine
// sets them.
func (c *Compiled) labelsOf(e parser.Expr) labelSet {
	if e.Type() == parser.ValueTypeScalar {
		return noLabels
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return c.labelsOf(n.Expr)
	case *parser.StepInvariantExpr:
		return c.labelsOf(n.Expr)
	case *parser.UnaryExpr:
		if n.Op == parser.SUB {
			return c.labelsOf(n.Expr).withoutName()
		}
		return c.labelsOf(n.Expr)
	case *parser.VectorSelector:
		if i, ok := LeafOf(n.LabelMatchers); ok {
			return c.Leaves[i].resultLabels()
		}
		return anyLabels // in a batch expression
	case *parser.SubqueryExpr:
		return c.labelsOf(n.Expr)
	case *parser.AggregateExpr:
		return aggregateLabels(n, c.labelsOf(n.Expr))
	case *parser.Call:
		return c.callLabels(n)
	case *parser.BinaryExpr:
		return c.binaryLabels(n)
	default:
		return anyLabels
	}
}

// resultLabels is what GroupLabels can return.
func (l *Leaf) resultLabels() labelSet {
	switch {
	case l.Agg == nil || l.Without:
		return anyLabels
	case l.KeepsName():
		return knownLabels(l.Grouping...)
	default:
		return knownLabels(l.Grouping...).withoutName()
	}
}

func aggregateLabels(n *parser.AggregateExpr, in labelSet) labelSet {
	switch n.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return in // these pick samples and leave their labels
	case parser.COUNT_VALUES:
		in = in.union(knownLabels(stringOf(n.Param)))
		if !n.Without {
			return in.keep(append([]string{stringOf(n.Param)}, n.Grouping...))
		}
	}
	if n.Without {
		return in.drop(n.Grouping...).drop(model.MetricNameLabel)
	}
	return in.keep(n.Grouping)
}

func (c *Compiled) callLabels(n *parser.Call) labelSet {
	switch n.Func.Name {
	case "vector":
		return noLabels
	case "histogram_quantile", "histogram_fraction":
		return c.labelsOf(n.Args[len(n.Args)-1]).drop(model.BucketLabel).withoutName()
	case "label_replace", "label_join":
		return c.labelsOf(n.Args[0]).union(knownLabels(stringOf(n.Args[1])))
	case "sort", "sort_desc":
		return c.labelsOf(n.Args[0])
	case "info":
		return anyLabels
	case "absent", "absent_over_time":
		return absentLabels(n.Args[0])
	}
	if f := function.Named(n.Func.Name); f != nil && f.KeepsName {
		return c.labelsOf(n.Args[0])
	}
	for _, a := range n.Args {
		if t := a.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			return c.labelsOf(a).withoutName()
		}
	}
	return noLabels // minute() and its like, of the time alone
}

// absentLabels is the labels that the engine gives the absence of something:
// those that its matchers settle.
func absentLabels(e parser.Expr) labelSet {
	sel, ok := e.(*parser.VectorSelector)
	if m, matrix := e.(*parser.MatrixSelector); matrix {
		sel, ok = m.VectorSelector.(*parser.VectorSelector)
	}
	if !ok {
		return noLabels
	}
	var names []string
	for _, m := range sel.LabelMatchers {
		if m.Type == labels.MatchEqual && m.Name != model.MetricNameLabel {
			names = append(names, m.Name)
		}
	}
	return knownLabels(names...)
}

func (c *Compiled) binaryLabels(n *parser.BinaryExpr) labelSet {
	left, right := c.labelsOf(n.LHS), c.labelsOf(n.RHS)
	switch {
	case n.Op == parser.LOR:
		return left.union(right)
	case n.Op.IsSetOperator():
		return left
	}
	if n.LHS.Type() == parser.ValueTypeScalar {
		left = right
	}
	if m := n.VectorMatching; m != nil {
		switch {
		case m.Card == parser.CardOneToMany:
			left = right.union(knownLabels(m.Include...))
		case m.Card == parser.CardManyToOne:
			left = left.union(knownLabels(m.Include...))
		case m.On:
			left = left.keep(m.MatchingLabels)
		default:
			left = left.drop(m.MatchingLabels...)
		}
	}
	if dropsName(n) && (n.VectorMatching == nil || !slices.ContainsFunc(n.VectorMatching.Include, schema.IsMetadataLabel)) {
		return left.withoutName()
	}
	return left
}

// mayDifferInName reports whether two results could have equal labels but for
// __name__: where a selector can find several metrics, or where the expression
// deals with the name itself.
func (c *Compiled) mayDifferInName(e parser.Expr) bool {
	for i := range c.Leaves {
		if l := &c.Leaves[i]; l.Metric == "" || !l.Without && slices.Contains(l.Grouping, model.MetricNameLabel) {
			return true
		}
	}
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.SubqueryExpr:
			found = true // at different times it may give different names
		case *parser.AggregateExpr:
			found = found || slices.Contains(n.Grouping, model.MetricNameLabel) || n.Op == parser.COUNT_VALUES && stringOf(n.Param) == model.MetricNameLabel
		case *parser.BinaryExpr:
			found = found || n.VectorMatching != nil && slices.Contains(n.VectorMatching.Include, model.MetricNameLabel)
		case *parser.Call:
			if name := n.Func.Name; name == "label_replace" || name == "label_join" {
				found = found || stringOf(n.Args[1]) == model.MetricNameLabel
			}
		}
		return nil
	})
	return found
}

func (s labelSet) union(t labelSet) labelSet {
	if !s.known || !t.known {
		return anyLabels
	}
	return knownLabels(append(slices.Clone(s.names), t.names...)...)
}

// keep is what remains when only the names are kept: it is known even where s
// is not.
func (s labelSet) keep(names []string) labelSet {
	if !s.known {
		return knownLabels(names...)
	}
	return s.filter(func(name string) bool { return slices.Contains(names, name) })
}

func (s labelSet) drop(names ...string) labelSet {
	return s.filter(func(name string) bool { return !slices.Contains(names, name) })
}

func (s labelSet) withoutName() labelSet {
	return s.filter(func(name string) bool { return !schema.IsMetadataLabel(name) })
}

func (s labelSet) filter(keep func(string) bool) labelSet {
	if !s.known {
		return s
	}
	out := labelSet{known: true}
	for _, name := range s.names {
		if keep(name) {
			out.names = append(out.names, name)
		}
	}
	return out
}
