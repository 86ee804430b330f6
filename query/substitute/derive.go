package substitute

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"
)

// What a flow's rows can also give, beside its own expression:
//
//	sum by (job, code) (rate(m[5m]))               the flow
//	sum by (job) (rate(m[5m]))                     sum by (job) (rows)
//	sum by (job) (rate(m{code=~"5.."}[5m]))        sum by (job) (rows with such a code)
//	sum by (job, code) (rate(m{job="api"}[5m]))    rows of the job
//
// Groups that are made larger: sums of sums, minima of minima, maxima of maxima, sums of
// counts. Never of averages or quantiles. Fewer series: where the labels that are asked for
// are those of the rows, since then whole groups are left out. Never a longer range: rates
// extrapolate.

// Shape is an expression as an aggregation of something over one selector, or something
// over one selector alone.
type Shape struct {
	Key string // what is aggregated, but for further matchers, and whether it is

	Op       parser.ItemType // of the aggregation; 0 where there is none
	Without  bool
	Grouping []string

	inner    parser.Expr // what is aggregated
	matchers []*labels.Matcher
	texts    []string // of the matchers, sorted
}

// ShapeOf is the shape of an expression; nil where it has none.
func ShapeOf(e parser.Expr) *Shape {
	for {
		if paren, ok := e.(*parser.ParenExpr); ok {
			e = paren.Expr
			continue
		}
		break
	}
	s := &Shape{inner: e}
	if agg, ok := e.(*parser.AggregateExpr); ok {
		if agg.Param != nil || slices.Contains(agg.Grouping, model.MetricNameLabel) {
			return nil
		}
		s.Op, s.Without, s.Grouping, s.inner = agg.Op, agg.Without, agg.Grouping, agg.Expr
	}
	selectors := 0
	parser.Inspect(s.inner, func(node parser.Node, _ []parser.Node) error {
		if sel, ok := node.(*parser.VectorSelector); ok {
			selectors++
			s.matchers = slices.DeleteFunc(slices.Clone(sel.LabelMatchers), func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })
		}
		if _, ok := node.(*parser.AggregateExpr); ok {
			selectors = 2 // labels of the selector's series are not those of what is aggregated
		}
		if call, ok := node.(*parser.Call); ok && relabels(call) {
			selectors = 2
		}
		return nil
	})
	if selectors != 1 {
		return nil
	}
	s.texts = matchersOf(s.matchers)
	w := writer{bare: true}
	w.expr(s.inner)
	if w.form.Unknown {
		return nil
	}
	s.Key = w.text.String()
	if s.Op != 0 {
		s.Key = "aggregate " + s.Key
	}
	return s
}

// relabels reports whether a function gives other labels than it finds.
func relabels(n *parser.Call) bool {
	switch n.Func.Name {
	case "label_replace", "label_join", "histogram_quantile", "histogram_quantiles", "histogram_fraction", "info", "scalar", "absent", "absent_over_time", "vector":
		return true
	}
	return false
}

// Derivation is how an expression is derived from a flow's rows.
type Derivation struct {
	Only []*labels.Matcher // rows that count
	// Again says that the rows are aggregated again: the expression, over the rows in the
	// place of what it aggregates, and with the operation As.
	Again bool
	As    parser.ItemType
}

// Derive is how an expression of shape e is derived from rows of an expression of shape f;
// false where it is not. The shapes have one Key.
func Derive(e, f *Shape) (d Derivation, ok bool) {
	if e.Key != f.Key {
		return d, false
	}
	// The rows are of more series, by labels that rows have.
	for _, text := range f.texts {
		if _, has := slices.BinarySearch(e.texts, text); !has {
			return d, false
		}
	}
	for _, m := range e.matchers {
		text := matchersOf([]*labels.Matcher{m})[0]
		if _, has := slices.BinarySearch(f.texts, text); has {
			continue
		}
		// What a function takes off with the name is not on rows, whatever series had.
		if schema.IsMetadataLabel(m.Name) {
			return d, false
		}
		if f.Op != 0 && slices.Contains(f.Grouping, m.Name) == f.Without {
			return d, false // not a label of the rows
		}
		d.Only = append(d.Only, m)
	}
	if e.Op != f.Op {
		return d, false
	}
	if e.Op == 0 || e.Without == f.Without && sameNames(e.Grouping, f.Grouping) {
		return d, true
	}
	d.Again, d.As = true, e.Op
	switch e.Op {
	case parser.COUNT:
		d.As = parser.SUM
	case parser.SUM, parser.MIN, parser.MAX, parser.GROUP:
	default:
		return d, false
	}
	within := func(names, of []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(of, name) })
	}
	switch {
	case !f.Without && !e.Without:
		return d, within(e.Grouping, f.Grouping)
	case f.Without && e.Without:
		return d, within(f.Grouping, e.Grouping)
	case f.Without:
		return d, !slices.ContainsFunc(e.Grouping, func(name string) bool { return slices.Contains(f.Grouping, name) })
	}
	return d, false
}

func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// Inner is what the expression aggregates.
func (s *Shape) Inner() parser.Expr { return s.inner }

// Over is the aggregation of the shape over another expression.
func (s *Shape) Over(inner parser.Expr) parser.Expr {
	return &parser.AggregateExpr{Op: s.Op, Without: s.Without, Grouping: s.Grouping, Expr: inner}
}

// Around is the text of the aggregation, before and behind what it aggregates: "sum(" and
// ") by (a, b)". It is no longer before than any aggregation of that kind.
func (s *Shape) Around() (before, behind string) {
	op := s.Op.String()
	clause := strings.TrimPrefix(s.Over(&parser.NumberLiteral{}).String(), op)
	return op + "(", ")" + strings.TrimSuffix(clause, "(0)")
}
