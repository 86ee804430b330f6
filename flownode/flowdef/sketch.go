package flowdef

import (
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/promexpr"
)

// Sketches: native histograms that Laminar makes of floats. PromQL has a function for them
// here, histogram_over_time, and what can be asked of a native histogram can be asked of
// its result:
//
//	histogram_quantile(0.99, sum by (job) (histogram_over_time(latency_seconds[5m])))
//
// has the leaf sum by (job) (histogram_over_time(latency_seconds[5m])), with one partial
// for each job. Its second argument is the accuracy, by which part a value may be off that
// is known by its bucket. A flow's key `accuracy` is written into the expression, and so is
// `approximate`, which has quantiles over time computed from sketches. Whatever computes
// the expression thus computes the same.

// KeyError is what Define says, by way of errors.As, of a key without an effect.
type KeyError = native.KeyError

// CheckAccuracy says what is wrong with a number as an accuracy.
func CheckAccuracy(accuracy float64) error {
	_, err := native.SchemaOf(accuracy)
	return err
}

// ofSketch is native.HasSketch for an expression whose leaves may have been replaced.
func (c *Compiled) ofSketch(e parser.Expr) bool {
	found := native.HasSketch(e)
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if sel, ok := n.(*parser.VectorSelector); ok {
			if i, leaf := LeafOf(sel.LabelMatchers); leaf {
				found = found || c.Leaves[i].Sketch()
			}
		}
		return nil
	})
	return found
}

// aggregates reports whether an aggregation over an expression can be a leaf as it is. One
// of sketches can where one partial for each group is enough: Prometheus's engine does the
// rest. Where the metric's name is left open it also finds out whether two series have the
// same labels.
func (c *compiler) aggregates(kind *function.Aggregation, over parser.Expr) bool {
	sketch := native.SketchCall(over)
	if sketch == nil {
		return !c.native
	}
	return function.HistogramOverTime.Merges(kind) && native.Merges(sketch)
}

// checkAccuracy refuses a call whose accuracy no sketch has.
func (c *compiler) checkAccuracy(n *parser.Call) {
	if n.Func.Name != function.HistogramOverTime.Name || len(n.Args) < 2 {
		return
	}
	if accuracy, ok := promexpr.Number(n.Args[1]); ok {
		if err := CheckAccuracy(accuracy); err != nil {
			c.refuse(n.Args[1], "%s: %v", n.Func.Name, err)
		}
	}
}
