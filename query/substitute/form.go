package substitute

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promfunc"
)

// Form is an expression in normal form. Expressions with equal Text are one function of
// samples and time, if they agree in what the other fields name.
type Form struct {
	Text string

	Instant  bool // it has instant selectors, or others whose lookback is the evaluation's
	Pinned   bool // it has a fixed time (@)
	BareStep bool // it has a subquery without a step, whose step is the evaluation's
	Unknown  bool // it has something that this package does not know: it equals nothing
}

// FormOf is the normal form of an expression as it was parsed: matchers and grouping labels
// sorted and without repetitions, durations in ms, parentheses off.
func FormOf(e parser.Expr) Form { return formWith(e, nil) }

// formWith is FormOf, in which the selectors of some names stand for the texts of forms.
func formWith(e parser.Expr, stand map[string]string) Form {
	w := writer{stand: stand}
	w.expr(e)
	w.form.Text = w.text.String()
	return w.form
}

// Same reports whether two expressions are one, where in the second the selectors of some
// names stand for expressions, which are given as texts of their forms.
func Same(e, with parser.Expr, stand map[string]string) bool {
	a, b := FormOf(e), formWith(with, stand)
	return a.Text == b.Text && !a.Unknown && !b.Unknown
}

// writer writes a form: every node as its kind and its parts in parentheses, so that no two
// trees have one text.
type writer struct {
	text  strings.Builder
	form  Form
	stand map[string]string
	bare  bool // selectors are written without matchers of other labels than the name
}

func (w *writer) put(parts ...string) {
	for _, p := range parts {
		w.text.WriteString(p)
	}
}

func (w *writer) number(n int64) { w.put(strconv.FormatInt(n, 10)) }

// expr writes an expression.
func (w *writer) expr(e parser.Expr) {
	switch n := e.(type) {
	case *parser.ParenExpr:
		w.expr(n.Expr)
	case *parser.StepInvariantExpr: // the engine's mark
		w.expr(n.Expr)
	case *parser.NumberLiteral: // 1h is 3600
		w.put("(", strconv.FormatFloat(n.Val, 'g', -1, 64), ")")
	case *parser.StringLiteral:
		w.put("(", strconv.Quote(n.Val), ")")
	case *parser.VectorSelector:
		if text, ok := w.stand[standIn(n)]; ok {
			w.put(text)
			return
		}
		w.form.Instant = true
		w.selector(n)
	case *parser.MatrixSelector:
		w.put("(range ")
		w.number(n.Range.Milliseconds())
		w.form.Unknown = w.form.Unknown || n.RangeExpr != nil
		w.selector(n.VectorSelector.(*parser.VectorSelector))
		w.put(")")
	case *parser.SubqueryExpr:
		w.subquery(n)
	case *parser.UnaryExpr:
		w.put("(unary ", n.Op.String())
		w.expr(n.Expr)
		w.put(")")
	case *parser.BinaryExpr:
		w.binary(n)
	case *parser.AggregateExpr:
		w.put("(", n.Op.String())
		w.names([]string{"by", "without"}[b2i(n.Without)], n.Grouping)
		if n.Param != nil {
			w.expr(n.Param)
		}
		w.expr(n.Expr)
		w.put(")")
	case *parser.Call:
		w.form.Instant = w.form.Instant || promfunc.ReadsBefore(n.Func.Name)
		w.put("(call ", n.Func.Name)
		for _, a := range n.Args {
			w.expr(a)
		}
		w.put(")")
	default: // of a newer parser
		w.form.Unknown = true
	}
}

// standIn is the name of a selector that could stand for something: it says nothing else.
func standIn(n *parser.VectorSelector) string {
	if len(n.LabelMatchers) != 1 || n.OriginalOffset != 0 || n.Timestamp != nil || n.StartOrEnd != 0 {
		return ""
	}
	if m := n.LabelMatchers[0]; m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
		return m.Value
	}
	return ""
}

// selector writes which samples a selector finds, and where from.
func (w *writer) selector(n *parser.VectorSelector) {
	w.put("(select")
	matchers := n.LabelMatchers
	if w.bare {
		matchers = slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool { return m.Name != model.MetricNameLabel })
	}
	for _, m := range matchersOf(matchers) {
		w.put(" ", m)
	}
	w.from(n.OriginalOffset.Milliseconds(), n.Timestamp, n.StartOrEnd)
	w.form.Unknown = w.form.Unknown || n.OriginalOffsetExpr != nil || n.Anchored || n.Smoothed || n.BypassEmptyMatcherCheck
	w.put(")")
}

// matchersOf is matchers as texts, each once.
func matchersOf(ms []*labels.Matcher) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = strconv.Quote(m.Name) + m.Type.String() + strconv.Quote(m.Value)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// from writes an offset and a fixed time.
func (w *writer) from(offset int64, at *int64, startOrEnd parser.ItemType) {
	if offset != 0 {
		w.put(" offset ")
		w.number(offset)
	}
	if at != nil {
		w.put(" @ ")
		w.number(*at)
	}
	if startOrEnd != 0 {
		w.put(" @ ", startOrEnd.String())
	}
	w.form.Pinned = w.form.Pinned || at != nil || startOrEnd != 0
}

func (w *writer) subquery(n *parser.SubqueryExpr) {
	w.put("(subquery ")
	w.number(n.Range.Milliseconds())
	w.put(":")
	w.number(n.Step.Milliseconds())
	w.from(n.OriginalOffset.Milliseconds(), n.Timestamp, n.StartOrEnd)
	w.form.BareStep = w.form.BareStep || n.Step == 0
	w.form.Unknown = w.form.Unknown || n.RangeExpr != nil || n.OriginalOffsetExpr != nil || n.StepExpr != nil
	w.expr(n.Expr)
	w.put(")")
}

func (w *writer) binary(n *parser.BinaryExpr) {
	w.put("(", n.Op.String())
	if n.ReturnBool {
		w.put(" bool")
	}
	if m := n.VectorMatching; m != nil {
		w.put(" ", m.Card.String())
		w.names([]string{"ignoring", "on"}[b2i(m.On)], m.MatchingLabels)
		if m.Card != parser.CardOneToOne {
			w.names("include", m.Include)
		}
		for _, fill := range []*float64{m.FillValues.LHS, m.FillValues.RHS} {
			if fill != nil {
				w.put(" fill ", strconv.FormatFloat(*fill, 'g', -1, 64))
			} else {
				w.put(" nofill")
			}
		}
	}
	w.expr(n.LHS)
	w.expr(n.RHS)
	w.put(")")
}

// names writes a set of labels.
func (w *writer) names(what string, list []string) {
	list = slices.Clone(list)
	slices.Sort(list)
	w.put(" ", what, fmt.Sprintf("%q", slices.Compact(list)))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
