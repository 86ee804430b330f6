package flowdef

import (
	"fmt"
	"regexp"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// refusals is why a function is refused. What stands here has no mergeable
// partial, or none that is built, or needs more of a leaf than its values.
var refusals = map[string]string{
	"absent":           "tells of windows without samples, which a flow passes over",
	"absent_over_time": "tells of windows without samples, which a flow passes over",
	"timestamp":        "needs the times of samples; a leaf has values only",

	"histogram_avg":    needsNative,
	"histogram_count":  needsNative,
	"histogram_sum":    needsNative,
	"histogram_stddev": needsNative,
	"histogram_stdvar": needsNative,

	"quantile_over_time": "needs every sample of the window: no partial of bounded size gives the exact quantile",
	"mad_over_time":      "needs every sample of the window: no partial of bounded size gives the exact median",

	"double_exponential_smoothing": "depends on the order of all samples of the window and has no mergeable partial",
	"info":                         "reads other series than the ones it names, so its changes cannot be followed",
}

const needsNative = "works on native histograms, which are not stored"

// refusedCall says why a function is refused, "" when it is not. Functions
// with a partial are no leaf here only when their argument is a subquery, which
// is refused where it stands.
func refusedCall(name string) string {
	if reason, ok := refusals[name]; ok {
		return reason
	}
	if _, ok := funcs[name]; ok {
		return ""
	}
	fn, ok := parser.Functions[name]
	switch {
	case !ok:
		return "is not known"
	case fn.Experimental:
		return "is experimental in Prometheus"
	}
	for _, t := range fn.ArgTypes {
		if t == parser.ValueTypeMatrix {
			return "has no mergeable partial"
		}
	}
	return ""
}

// checkSelector refuses modifiers of a selector that cannot be kept.
func (c *compiler) checkSelector(s *parser.VectorSelector) {
	switch {
	case s.Timestamp != nil || s.StartOrEnd != 0:
		c.refuse(s, "@ pins the time, so windows would not move: use offset")
	case s.OriginalOffset < 0:
		c.refuse(s, "a negative offset reads beyond the end of the window, which is not built yet")
	case s.Anchored || s.Smoothed:
		c.refuse(s, "anchored and smoothed are experimental in Prometheus")
	}
	for _, m := range s.LabelMatchers {
		if m.Name == LeafLabel {
			c.refuse(s, "the label %s is reserved", LeafLabel)
		}
	}
}

// checkCountValues refuses a count_values that the engine would refuse in
// every window.
func (c *compiler) checkCountValues(n *parser.AggregateExpr) {
	if n.Op == parser.COUNT_VALUES {
		c.checkLabelName(n.Param)
	}
}

// checkLabelCall does the same for the functions that make labels.
func (c *compiler) checkLabelCall(n *parser.Call) {
	switch n.Func.Name {
	case "label_replace":
		c.checkLabelName(n.Args[1])
		if _, err := regexp.Compile("^(?s:" + stringOf(n.Args[4]) + ")$"); err != nil {
			c.refuse(n.Args[4], "regular expression of label_replace: %v", err)
		}
	case "label_join":
		c.checkLabelName(n.Args[1])
		for _, src := range n.Args[3:] {
			c.checkLabelName(src)
		}
	}
}

func (c *compiler) checkLabelName(e parser.Expr) {
	if name := stringOf(e); !model.UTF8Validation.IsValidLabelName(name) {
		c.refuse(e, "%s is not a label name", quote(name))
	}
}

// stringOf is the value of a string literal.
func stringOf(e parser.Expr) string {
	if s, ok := stripParens(e).(*parser.StringLiteral); ok {
		return s.Val
	}
	return ""
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
