package flowdef

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/function"
	"laminar/flownode/labelset"
	"laminar/flownode/promexpr"
)

// Which labels results can have, found without evaluating anything. It decides
// the columns of the result table, so it must hold for every sample that will
// ever come: where an expression hands on whatever labels series have, the answer
// is that it is not known, and the table has one column for all of them. The
// rules are those of Prometheus's engine, operation by operation.

// infer settles LabelsKnown, ResultLabels, KeepName and ByGroup from the
// expression with its leaves replaced. Some answers:
//
//	sum by (job) (x)                             job
//	sum(x)                                       none
//	rate(x[5m]), sum without (job) (x)           not known
//	sum by (a) (x) or sum by (b) (y)             a, b
//	sum by (a, b) (x) / on (a) group_left (c) y  a, b, c
//	label_replace(sum by (a) (x), "b", ...)      a, b
//	histogram_quantile(0.9, sum by (le, a) (x))  a
//	count_values("v", x)                         v
//	2 * r, where r is a record with labels a, b  a, b
//
// A label that is known may be missing from a result: its column is empty then.
// promeval's tests hold the answers to what the engine gives (D2).
func (c *Compiled) infer(e parser.Expr) error {
	set := c.labelsOf(e)
	c.LabelsKnown = set.Known
	c.ResultLabels = set.Names
	c.KeepName = c.mayDifferInName(e)
	c.ByGroup = !c.Batch && c.byGroup(e)
	for _, name := range c.ResultLabels {
		if strings.ContainsRune(name, 0) {
			// Found here and not at the first result, which would stop the flow.
			return errors.New("label " + quote(name) + " has a zero byte in its name, which PostgreSQL cannot hold")
		}
	}
	return nil
}

// labelsOf follows the labels through an expression, as Prometheus's engine
// sets them, from the selectors up. Leaves are replaced by selectors in it, in a
// batch expression none is.
func (c *Compiled) labelsOf(e parser.Expr) labelset.Set {
	if e.Type() == parser.ValueTypeScalar {
		return labelset.None
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return c.labelsOf(n.Expr)
	case *parser.StepInvariantExpr:
		return c.labelsOf(n.Expr)
	case *parser.UnaryExpr:
		// -x is a new quantity, +x is x.
		if n.Op == parser.SUB {
			return c.labelsOf(n.Expr).WithoutName()
		}
		return c.labelsOf(n.Expr)
	case *parser.VectorSelector:
		if i, ok := LeafOf(n.LabelMatchers); ok {
			return c.leafLabels(&c.Leaves[i])
		}
		return c.selected(promexpr.MetricName(n.LabelMatchers)) // in a batch expression
	case *parser.MatrixSelector:
		return c.labelsOf(n.VectorSelector)
	case *parser.SubqueryExpr:
		return c.labelsOf(n.Expr)
	case *parser.AggregateExpr:
		return aggregateLabels(n, c.labelsOf(n.Expr))
	case *parser.Call:
		return c.callLabels(n)
	case *parser.BinaryExpr:
		return c.binaryLabels(n)
	default:
		return labelset.Any
	}
}

// leafLabels is what GroupLabels can return: known where the leaf names the labels that it
// groups by, or selects results of which they are known.
func (c *Compiled) leafLabels(l *Leaf) labelset.Set {
	out := labelset.Of(l.Grouping...)
	if l.Agg == nil || l.Without {
		out = c.selected(l.Metric)
	}
	if !l.KeepsName() {
		out = out.WithoutName()
	}
	if l.Without {
		out = out.Drop(l.Grouping...).Drop(model.MetricNameLabel)
	}
	return out
}

// selected is the labels of what a selector of one metric finds, without the name, which
// is the same in all of it; metric is "" for a selector of others.
func (c *Compiled) selected(metric string) labelset.Set {
	names, ok := c.results[metric]
	if metric == "" || !ok {
		return labelset.Any
	}
	return labelset.Of(names...)
}

// knowResults tells the expression the labels of results that it reads.
func (c *Compiled) knowResults(results map[string][]string) {
	c.results = results
	for i := range c.Leaves {
		l := &c.Leaves[i]
		_, known := results[l.Metric]
		l.Results = known && l.Metric != ""
	}
}

// Over is the flow with what is known of the labels of results that it reads.
func (f Flow) Over(results map[string][]string) (Flow, error) {
	if maps.EqualFunc(results, f.Results, slices.Equal[[]string]) {
		return f, nil
	}
	f.Results = results
	c, _, err := compile(&f, f.PromQL)
	if err != nil {
		return f, fmt.Errorf("flow %s over records with known labels: %w", f.Title(), err)
	}
	if f, err = f.over(c); err != nil {
		return f, fmt.Errorf("flow %s: %w", f.Title(), err)
	}
	f.ReadsPrevious(f.Previous, f.Behind, f.Beside, f.Itself)
	return f, nil
}

// Labels is every label that results of the flow can have, static ones included, sorted;
// ok is false where that is not decided.
func (f *Flow) Labels() (names []string, ok bool) {
	names, _ = resultLabelNames(*f)
	return names, f.Expr.LabelsKnown
}

// aggregateLabels is the labels of an aggregation over a vector with the labels
// in: those that it groups by, and what count_values adds.
func aggregateLabels(n *parser.AggregateExpr, in labelset.Set) labelset.Set {
	switch n.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return in // these pick samples and leave their labels
	case parser.COUNT_VALUES:
		// Its parameter names the label that holds the value.
		in = in.Union(labelset.Of(promexpr.String(n.Param)))
		if !n.Without {
			return in.Keep(append([]string{promexpr.String(n.Param)}, n.Grouping...))
		}
	}
	if n.Without {
		// The engine drops the name here, but neither type nor unit.
		return in.Drop(n.Grouping...).Drop(model.MetricNameLabel)
	}
	return in.Keep(n.Grouping)
}

// callLabels is the labels of a function's result. Most functions hand on the
// labels of their only vector, without the metric name.
func (c *Compiled) callLabels(n *parser.Call) labelset.Set {
	switch n.Func.Name {
	case "vector": // of a scalar
		return labelset.None
	case "histogram_quantile", "histogram_fraction":
		// Buckets of one histogram become one result; of sketches each is one already.
		of := n.Args[len(n.Args)-1]
		if c.ofSketch(of) {
			return c.labelsOf(of).WithoutName()
		}
		return c.labelsOf(of).Drop(model.BucketLabel).WithoutName()
	case "label_replace":
		// Unless it takes the label off whatever the results are, the label is
		// known, even where it is left off some of them.
		if takesOff(promexpr.String(n.Args[2]), promexpr.String(n.Args[3]), promexpr.String(n.Args[4])) {
			return c.labelsOf(n.Args[0]).Drop(promexpr.String(n.Args[1]))
		}
		return c.labelsOf(n.Args[0]).Union(labelset.Of(promexpr.String(n.Args[1])))
	case "label_join":
		return c.labelsOf(n.Args[0]).Union(labelset.Of(promexpr.String(n.Args[1])))
	case "sort", "sort_desc":
		return c.labelsOf(n.Args[0])
	case "info":
		return labelset.Any
	case "absent", "absent_over_time":
		return absentLabels(n.Args[0])
	}
	// A function of the table that is no leaf here, over a subquery.
	if f := function.Named(n.Func.Name); f != nil && f.KeepsName {
		return c.labelsOf(n.Args[0])
	}
	for _, a := range n.Args {
		if t := a.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			return c.labelsOf(a).WithoutName()
		}
	}
	return labelset.None // minute() and its like, of the time alone
}

// absentLabels is the labels that the engine gives the absence of something:
// those that its matchers settle. absent(up{job="a", pod=~"x.*"}) has job="a".
func absentLabels(e parser.Expr) labelset.Set {
	// Of anything but a selector the engine knows no labels.
	sel, ok := e.(*parser.VectorSelector)
	if m, matrix := e.(*parser.MatrixSelector); matrix {
		sel, ok = m.VectorSelector.(*parser.VectorSelector)
	}
	if !ok {
		return labelset.None
	}
	var names []string
	for _, m := range sel.LabelMatchers {
		if m.Type == labels.MatchEqual && m.Name != model.MetricNameLabel {
			names = append(names, m.Name)
		}
	}
	return labelset.Of(names...)
}

// binaryLabels is the labels of an operation between two vectors, or a vector and
// a scalar. Matching decides: one to one results have the labels that were
// matched on, one to many those of the side with many.
func (c *Compiled) binaryLabels(n *parser.BinaryExpr) labelset.Set {
	left, right := c.labelsOf(n.LHS), c.labelsOf(n.RHS)
	switch {
	case n.Op == parser.LOR:
		return left.Union(right)
	case n.Op.IsSetOperator():
		return left // and, unless: some samples of the left side, as they are
	}
	if n.LHS.Type() == parser.ValueTypeScalar {
		left = right // whose side the vector is on does not matter
	}
	if m := n.VectorMatching; m != nil { // nil between a vector and a scalar
		switch {
		// group_right and group_left: the side with many, and what is included
		// from the other.
		case m.Card == parser.CardOneToMany:
			left = right.Union(labelset.Of(m.Include...))
		case m.Card == parser.CardManyToOne:
			left = left.Union(labelset.Of(m.Include...))
		// One to one: what both sides have in common.
		case m.On:
			left = left.Keep(m.MatchingLabels)
		default:
			left = left.Drop(m.MatchingLabels...)
		}
	}
	// group_left(__name__) brings a name back after the operation dropped it.
	if promexpr.DropsName(n) && (n.VectorMatching == nil || !slices.ContainsFunc(n.VectorMatching.Include, schema.IsMetadataLabel)) {
		return left.WithoutName()
	}
	return left
}

// mayDifferInName reports whether two results could have equal labels but for
// __name__, as those of {__name__=~"a|b"} do: where a selector can find several metrics, or where the expression
// deals with the name itself. It may be true although no two results ever do;
// then the column holds a name that would not have been needed.
func (c *Compiled) mayDifferInName(e parser.Expr) bool {
	for i := range c.Leaves {
		// Too careful where the leaf's aggregation drops the name. Nearly all such
		// flows have known labels, where KeepName says nothing.
		if l := &c.Leaves[i]; l.Metric == "" || !l.Without && slices.Contains(l.Grouping, model.MetricNameLabel) {
			return true
		}
	}
	// What the expression makes of names that are equal in every leaf.
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.SubqueryExpr:
			found = true // at different times it may give different names
		case *parser.AggregateExpr:
			found = found || slices.Contains(n.Grouping, model.MetricNameLabel) || n.Op == parser.COUNT_VALUES && promexpr.String(n.Param) == model.MetricNameLabel
		case *parser.BinaryExpr:
			found = found || n.VectorMatching != nil && slices.Contains(n.VectorMatching.Include, model.MetricNameLabel)
		case *parser.Call:
			if name := n.Func.Name; name == "label_replace" || name == "label_join" {
				found = found || promexpr.String(n.Args[1]) == model.MetricNameLabel
			}
		}
		return nil
	})
	return found
}
