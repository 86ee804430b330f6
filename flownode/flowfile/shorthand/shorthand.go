package shorthand

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promfunc"
)

// Error is what is wrong with an expression, at a byte of it.
type Error struct {
	Pos     int
	Message string
}

func (e *Error) Error() string { return e.Message }

// PreviousLabel sets what a running total was apart from what it grows by, while the two
// are added up. No result has it.
const PreviousLabel = "__previous__"

// aggregations is what may stand over a range vector, as messages list them.
const aggregations = "sum, count, min, max, avg, sum2 and increase"

var promParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// Expand spells an expression out that is to be the flow of that name, with windows that
// end every so many ms, or 0 where the definition does not say. An expression without
// shorthand is returned as it is, also one that is no PromQL: others tell why. step is
// every, or how far apart the windows of a running total end. An error is an *Error.
func Expand(text, flow string, every int64) (promql string, step int64, err error) {
	plain, own := namesOut(text)
	// The parser refuses what is to be spelled out, and returns it all the same.
	expr, _ := promParser.ParseExpr(plain)
	if expr == nil {
		return text, every, nil // others tell why
	}
	if fault := otherFault(plain, expr); fault != nil && len(own) > 0 {
		return "", 0, fault
	} else if fault != nil {
		return text, every, nil //nolint:nilerr // others tell why
	}
	x := expander{flow: flow, step: every, own: own}
	out := x.expr(expr, true)
	switch {
	case x.err != nil:
		return "", 0, x.err
	case !x.found:
		return text, every, nil
	case x.total != nil:
		return x.runningTotal(), x.step, nil
	}
	return out.String(), every, nil
}

// otherFault is the first fault of an expression other than that it has range vectors under
// aggregations; nil where there is none. It parses the text with a function over each.
func otherFault(text string, expr parser.Expr) *Error {
	const open, shut = "last_over_time(", ")"
	places := promfunc.BareRanges(expr)
	for _, at := range slices.Backward(places) {
		text = text[:at.Start] + open + text[at.Start:at.End] + shut + text[at.End:]
	}
	_, err := promParser.ParseExpr(text)
	var all parser.ParseErrors
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &all) || len(all) == 0:
		return &Error{0, err.Error()}
	}
	pos := int(all[0].PositionRange.Start)
	for n, at := range slices.Backward(places) { // back to the text as it was
		if before := n * (len(open) + len(shut)); pos > before+int(at.Start) {
			pos -= before + len(open)
			if pos > int(at.End) {
				pos -= len(shut)
			}
			break
		}
	}
	return &Error{pos, all[0].Err.Error()}
}

// own is the aggregations that PromQL does not have, by where they stand in a text.
type own map[int]string

// namesOut writes `sum` for the aggregations of the shorthand that PromQL does not have,
// without moving anything else. increase is one where it has `by` or `without`: else it is
// PromQL's function.
func namesOut(text string) (string, own) {
	var items []parser.Item
	for l := parser.Lex(text); ; {
		var it parser.Item
		l.NextItem(&it)
		if it.Typ == parser.EOF || it.Typ == parser.ERROR {
			break
		}
		if it.Typ != parser.COMMENT {
			items = append(items, it)
		}
	}
	found := own{}
	for i, it := range items {
		if it.Typ != parser.IDENTIFIER || it.Val != "sum2" && it.Val != "increase" || i+1 == len(items) {
			continue
		}
		next := items[i+1].Typ
		grouped := next == parser.BY || next == parser.WITHOUT
		if next == parser.LEFT_PAREN {
			after := closing(items, i+1) + 1
			grouped = it.Val == "sum2" || after < len(items) && (items[after].Typ == parser.BY || items[after].Typ == parser.WITHOUT)
		}
		if !grouped {
			continue
		}
		pos := int(it.Pos)
		found[pos] = it.Val
		text = text[:pos] + "sum" + strings.Repeat(" ", len(it.Val)-len("sum")) + text[pos+len(it.Val):]
	}
	return text, found
}

// closing is the place of the parenthesis that closes the one at a place; the last place
// where there is none.
func closing(items []parser.Item, open int) int {
	depth := 0
	for i := open; i < len(items); i++ {
		switch items[i].Typ {
		case parser.LEFT_PAREN:
			depth++
		case parser.RIGHT_PAREN:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(items) - 1
}

// expander spells out one expression.
type expander struct {
	flow  string
	step  int64
	own   own
	found bool
	total *parser.AggregateExpr // what a running total grows by; nil for other expressions
	err   *Error                // the first one
}

func (x *expander) refuse(at parser.Node, format string, args ...any) {
	if x.err == nil {
		x.err = &Error{int(at.PositionRange().Start), fmt.Sprintf(format, args...)}
	}
}

// expr spells out a part of the expression; whole says that it is all of it.
func (x *expander) expr(e parser.Expr, whole bool) parser.Expr {
	switch n := e.(type) {
	case *parser.ParenExpr:
		n.Expr = x.expr(n.Expr, whole)
	case *parser.UnaryExpr:
		n.Expr = x.expr(n.Expr, false)
	case *parser.BinaryExpr:
		n.LHS, n.RHS = x.expr(n.LHS, false), x.expr(n.RHS, false)
	case *parser.Call:
		for i := range n.Args {
			n.Args[i] = x.expr(n.Args[i], false)
		}
	case *parser.SubqueryExpr:
		n.Expr = x.expr(n.Expr, false)
	case *parser.AggregateExpr:
		if n.Expr == nil {
			return e // a fault, which the parser tells
		}
		if m := rangeVector(n.Expr); m != nil {
			return x.aggregation(n, m, whole)
		}
		if name, ok := x.own[int(n.PosRange.Start)]; ok {
			x.refuse(n, "%s is for a range vector, as in %s by (job) (x[2m])", name, name)
		}
		n.Expr = x.expr(n.Expr, false)
	}
	return e
}

// rangeVector is the range selector that an expression is, parentheses aside.
func rangeVector(e parser.Expr) *parser.MatrixSelector {
	for {
		switch n := e.(type) {
		case *parser.ParenExpr:
			e = n.Expr
		case *parser.MatrixSelector:
			return n
		default:
			return nil
		}
	}
}

// aggregation spells out an aggregation over a range vector.
func (x *expander) aggregation(n *parser.AggregateExpr, m *parser.MatrixSelector, whole bool) parser.Expr {
	x.found = true
	name := n.Op.String()
	if own, ok := x.own[int(n.PosRange.Start)]; ok {
		name = own
	}
	sel, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return n // a fault, which the parser tells
	}
	if sel.Timestamp == nil && sel.StartOrEnd == 0 {
		sel.OriginalOffset += time.Millisecond // [start, end) is (start-1ms, end-1ms]
	}
	over := func(op parser.ItemType, function string) *parser.AggregateExpr {
		out := *n
		out.Op = op
		out.Expr = &parser.Call{Func: parser.Functions[function], Args: parser.Expressions{m}}
		return &out
	}
	switch name {
	case "sum":
		return over(parser.SUM, "sum_over_time")
	case "count":
		return over(parser.SUM, "count_over_time")
	case "min":
		return over(parser.MIN, "min_over_time")
	case "max":
		return over(parser.MAX, "max_over_time")
	case "avg": // of all samples, and not of the averages of series
		return &parser.ParenExpr{Expr: &parser.BinaryExpr{
			Op: parser.DIV, LHS: over(parser.SUM, "sum_over_time"), RHS: over(parser.SUM, "count_over_time"),
			VectorMatching: &parser.VectorMatching{Card: parser.CardOneToOne},
		}}
	case "increase":
		return over(parser.SUM, "increase_pure")
	case "sum2":
		x.total = over(parser.SUM, "increase_pure")
		switch step := m.Range.Milliseconds(); {
		case !whole:
			x.refuse(n, "sum2 cannot be a part of an expression: give the total a flow of its own, and read that by its name")
		case x.step != 0 && x.step != step:
			x.refuse(n, "sum2 adds up windows that stand side by side: leave `every` out, or make it the range, %s", model.Duration(m.Range))
		default:
			x.step = step
		}
		return x.total
	default:
		x.refuse(n, "%s over a range vector has no meaning: want %s, or a function over the range, such as %s(avg_over_time(x[5m]))", name, aggregations, name)
		return n
	}
}

// runningTotal is the total of a flow at the end of a window: what it was at the end of
// the window before, which is the flow's own result there, and what has come in between.
// A group that gets no samples stays at its total.
func (x *expander) runningTotal() string {
	grouping := x.total.ShortString()
	if x.total.Without {
		grouping = WithoutMark
	}
	return Total(x.flow, x.step, grouping, x.total.String())
}

// WithoutMark is the aggregation of Total where results have what labels are left: none is
// to be taken off but the mark.
const WithoutMark = "sum without (" + PreviousLabel + ") "

// Total is the expression of a flow whose results are running totals: sum adds up what an
// expression gives in each window, and what the flow has at the end of the one before, a
// step of so many ms earlier.
func Total(flow string, step int64, sum, grows string) string {
	before := fmt.Sprintf("last_over_time(%s[%s])", selector(flow), model.Duration(2*time.Duration(step)*time.Millisecond))
	return fmt.Sprintf("%s(%s or label_replace(%s, %q, \"1\", \"\", \"\"))", sum, grows, before, PreviousLabel)
}

// selector selects what a flow has by its name.
func selector(flow string) string {
	if model.LegacyValidation.IsValidMetricName(flow) && !slices.Contains(keywords, strings.ToLower(flow)) {
		return flow
	}
	return "{" + model.MetricNameLabel + "=" + strconv.Quote(flow) + "}"
}

// keywords are names that an expression cannot begin with and mean a metric.
var keywords = []string{
	"and", "or", "unless", "atan2", "sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk",
	"count_values", "quantile", "limitk", "limit_ratio", "by", "without", "on", "ignoring", "group_left", "group_right",
	"bool", "offset", "start", "end", "step", "inf", "nan", "anchored", "smoothed", "fill", "fill_left", "fill_right",
}
