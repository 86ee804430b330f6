package native

import (
	"fmt"
	"strconv"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
	"laminar/flownode/promexpr"
)

// WithAccuracy is an expression, which is the caller's own, in which each call of
// histogram_over_time states an accuracy, and each quantile_over_time of a selector is one
// of a sketch of the accuracy approximate; 0 leaves either as it is. What is asked for
// must be possible somewhere in the expression.
func WithAccuracy(e parser.Expr, accuracy, approximate float64) (parser.Expr, error) {
	stated, quantiles := 0, 0
	e = rewrite(e, func(e parser.Expr) parser.Expr {
		n, ok := e.(*parser.Call)
		switch {
		case !ok:
			return e
		case n.Func.Name == function.HistogramOverTime.Name && len(n.Args) == 1 && accuracy != 0:
			stated++
			n.Args = append(n.Args, accuracyArg(accuracy)...)
		case n.Func.Name == "quantile_over_time" && approximate != 0:
			over := promexpr.WithoutParens(n.Args[1])
			if _, ok := over.(*parser.MatrixSelector); !ok {
				return n // over a subquery, which has no state of its own
			}
			quantiles++
			sketch := &parser.Call{
				Func: parser.Functions[function.HistogramOverTime.Name], Args: append(parser.Expressions{over}, accuracyArg(approximate)...),
			}
			return &parser.Call{Func: parser.Functions["histogram_quantile"], Args: parser.Expressions{n.Args[0], sketch}}
		}
		return n
	})
	switch {
	case accuracy != 0 && stated == 0:
		return nil, &KeyError{"accuracy", "`accuracy` is stated, and the expression has no histogram_over_time without one of its own"}
	case approximate != 0 && quantiles == 0:
		return nil, &KeyError{"approximate", "`approximate` is stated, and the expression has no quantile_over_time of a selector"}
	}
	return e, nil
}

// KeyError says that a key of a definition has nothing to do in its expression.
type KeyError struct{ Key, Text string }

func (e *KeyError) Error() string { return e.Text }

// accuracyArg is the argument for an accuracy: none for the default.
func accuracyArg(accuracy float64) parser.Expressions {
	if accuracy == DefaultAccuracy {
		return nil
	}
	return parser.Expressions{&parser.NumberLiteral{Val: accuracy}}
}

// rewrite puts what with makes of each call and aggregation in its place, from the innermost
// out.
func rewrite(e parser.Expr, with func(parser.Expr) parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.ParenExpr:
		n.Expr = rewrite(n.Expr, with)
	case *parser.UnaryExpr:
		n.Expr = rewrite(n.Expr, with)
	case *parser.StepInvariantExpr:
		n.Expr = rewrite(n.Expr, with)
	case *parser.SubqueryExpr:
		n.Expr = rewrite(n.Expr, with)
	case *parser.BinaryExpr:
		n.LHS, n.RHS = rewrite(n.LHS, with), rewrite(n.RHS, with)
	case *parser.AggregateExpr:
		if n.Param != nil {
			n.Param = rewrite(n.Param, with)
		}
		n.Expr = rewrite(n.Expr, with)
		return with(n)
	case *parser.Call:
		for i := range n.Args {
			n.Args[i] = rewrite(n.Args[i], with)
		}
		return with(n)
	}
	return e
}

// SketchCall is the call of histogram_over_time that an expression is, parentheses aside;
// nil for another.
func SketchCall(e parser.Expr) *parser.Call {
	if n, ok := promexpr.WithoutParens(e).(*parser.Call); ok && n.Func.Name == function.HistogramOverTime.Name {
		return n
	}
	return nil
}

// HasSketch reports whether a part of the expression is a call of histogram_over_time.
func HasSketch(e parser.Expr) bool {
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		call, ok := n.(*parser.Call)
		found = found || ok && call.Func.Name == function.HistogramOverTime.Name
		return nil
	})
	return found
}

// DescribeAccuracy says how exact sketches of an accuracy are, for people.
func DescribeAccuracy(accuracy float64) string {
	schema, err := SchemaOf(accuracy)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("buckets of schema %d, in which values differ by %s; one with more than %d buckets gets coarser ones, which are twice as wide",
		schema, Percent(AccuracyOf(schema)), MaxBuckets)
}

// Percent spells a part, for people.
func Percent(part float64) string { return strconv.FormatFloat(100*part, 'g', 3, 64) + " %" }
