package flowdef

import (
	"regexp"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
	"laminar/flownode/promexpr"
	"laminar/flownode/promfunc"
	"laminar/sequence/segment"
)

// What is refused: expressions that no flow can have, however it is kept. A
// refusal names the part of the expression that it is about. What is computed at
// a cost is not refused: that is what whole.go and Leaf.Batch are for, and
// `flow validate` says so.

// refusedCall says why a function is refused, "" when it is not. Experimental
// functions may change or go with the next Prometheus, under a table that is kept
// for years. Those that function.Unkept knows are let through all the same, and
// mean what they mean in the version of Prometheus that is built in.
func refusedCall(n *parser.Call) string {
	name := n.Func.Name
	fn, ok := parser.Functions[name]
	switch {
	case !ok: // the parser has refused it before, by the same table
		return "is not known"
	case fn.Experimental && function.Unkept(name) == "":
		return "is experimental in Prometheus"
	case promfunc.ReadsBefore(name) && promfunc.Selector(n) == nil:
		return "is for selectors, as there is nothing before the range of a subquery"
	}
	return ""
}

// checkSelector refuses modifiers of a selector that cannot be kept, and the
// label that stands for leaves in residuals.
func (c *compiler) checkSelector(s *parser.VectorSelector) {
	c.checkTime(s, s.Timestamp, s.StartOrEnd, s.OriginalOffset)
	if s.Anchored || s.Smoothed {
		c.refuse(s, "anchored and smoothed are experimental in Prometheus")
	}
	for _, m := range s.LabelMatchers {
		if m.Name == LeafLabel {
			c.refuse(s, "the label %s is reserved", LeafLabel)
		}
	}
}

// checkTime looks at the modifiers that take a selector or subquery away from
// its window. @ start() and @ end() are the window's end, also within a subquery:
// a flow evaluates each window by itself, as an instant query.
func (c *compiler) checkTime(at parser.Node, timestamp *int64, startOrEnd parser.ItemType, offset time.Duration) {
	switch {
	case startOrEnd != 0:
		c.whole("@ " + startOrEnd.String() + "() holds a selector at the window's end")
	case timestamp != nil:
		if *timestamp < 0 || *timestamp > segment.MaxTime {
			c.refuse(at, "@ names a time at which no sample can be: from 1970 to 9999")
		}
		c.whole("@ holds a selector at a fixed time")
	}
	// A window closes when what it reads can have come.
	if reach := int64(100 * 365 * 24 * time.Hour / time.Millisecond); millis(offset) < -reach {
		c.refuse(at, "a negative offset of more than 100 years leaves windows open for as long")
	}
}

// SubqueryStep is the step of subqueries that name none.
const SubqueryStep = time.Minute

// maxSubquerySteps is how many times a window may have the inside of its subqueries
// computed, those within each other multiplied. 30 days every second are 2.6 million.
const maxSubquerySteps = 10_000_000

// checkSteps refuses subqueries whose steps are absurdly small against their ranges.
// times is how often n is computed for one window.
func (c *compiler) checkSteps(n parser.Node, times float64) {
	if sub, ok := n.(*parser.SubqueryExpr); ok {
		step := sub.Step
		if step == 0 {
			step = SubqueryStep
		}
		times *= max(1, float64(sub.Range)/float64(step))
		if times > maxSubquerySteps {
			c.refuse(sub, "each window would compute the inside of its subqueries %.0f times, more than %d: choose a larger step or a shorter range", times, maxSubquerySteps)
			return
		}
	}
	for child := range parser.ChildrenIter(n) {
		c.checkSteps(child, times)
	}
}

// checkAggregation refuses what the engine would refuse in every window, and
// what may change with the next Prometheus. Found here, a fault is the
// definition's; found by the engine it would be a flow that stands still.
func (c *compiler) checkAggregation(n *parser.AggregateExpr) {
	switch {
	case n.Op == parser.COUNT_VALUES:
		c.checkLabelName(n.Param)
	case n.Op.IsExperimentalAggregator():
		c.refuse(n, "%s: is experimental in Prometheus", n.Op)
	}
}

// checkLabelCall does the same for the functions that make labels. The engine
// anchors the regular expression as it is done here.
func (c *compiler) checkLabelCall(n *parser.Call) {
	switch n.Func.Name {
	case "label_replace":
		c.checkLabelName(n.Args[1])
		if _, err := regexp.Compile("^(?s:" + promexpr.String(n.Args[4]) + ")$"); err != nil {
			c.refuse(n.Args[4], "regular expression of label_replace: %v", err)
		}
	case "label_join":
		c.checkLabelName(n.Args[1])
		for _, src := range n.Args[3:] {
			c.checkLabelName(src)
		}
	}
}

// checkLabelName refuses a string that cannot be the name of a label. All UTF-8
// is a name, as in Prometheus 3.
func (c *compiler) checkLabelName(e parser.Expr) {
	if name := promexpr.String(e); !model.UTF8Validation.IsValidLabelName(name) {
		c.refuse(e, "%s is not a label name", quote(name))
	}
}
