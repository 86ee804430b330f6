package view

import (
	"fmt"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/native"
	"laminar/sequence"
)

// What `flow validate` and `flow show` print about a flow. Scripts read
// --output json instead, so these texts may be improved at any time.

// describeLeaf says in one line how a leaf is kept, for people:
//
//	sum by (job) (rate(a[5m])): kept as counter state in 5 panes of 1m
func describeLeaf(l *flowdef.Leaf) string {
	how := fmt.Sprintf("kept as %s state in %s", l.State(), FormatPanes(l.Panes, flowdef.FormatMillis(l.Pane)))
	if l.Sketch() {
		how += " with " + native.DescribeAccuracy(l.Param)
	}
	if l.Before > 0 {
		how += ", up to the evaluation before"
	}
	switch {
	case l.Pinned:
		how = fmt.Sprintf("samples of %s up to %s are read for every window", flowdef.FormatMillis(l.Range), sequence.FormatTime(l.PinnedAt-l.Offset))
	case l.Session != nil:
		how = fmt.Sprintf("kept as runs of samples without a gap over %s, in panes of %s", flowdef.FormatMillis(l.Session.Gap), flowdef.FormatMillis(l.Pane))
	case l.Func == nil:
		how = "samples of " + flowdef.FormatMillis(l.Range) + " are read for each window"
	case l.Batch:
		how = fmt.Sprintf("computed from raw samples for each window, because %s are more than %d",
			FormatPanes(l.Panes, flowdef.FormatMillis(l.Pane)), flowdef.PanesKept(l.Pane))
	}
	return l.Text + ": " + how
}

// FormatPanes spells how many panes of a width there are, for people: 1 pane of 5m.
func FormatPanes(n int64, width string) string {
	return flowdef.FormatCount(n, "pane") + " of " + width
}

// describeExpr says in a few lines how an expression is kept, for people: why not
// incrementally, if so, and then each leaf. Of windows that close later than a
// reader of the table expects it says that, too.
func describeExpr(c *flowdef.Compiled) []string {
	var lines []string
	if c.Batch {
		lines = append(lines, "computed whole from raw samples for each window: "+c.Why)
	}
	for i := range c.Leaves {
		lines = append(lines, describeLeaf(&c.Leaves[i]))
	}
	for _, name := range []string{"ALERTS", "ALERTS_FOR_STATE"} {
		if slices.ContainsFunc(c.Leaves, func(l flowdef.Leaf) bool { return l.NamesMetric() && l.MaySelect(name) }) {
			lines = append(lines, name+": only what senders write under this name, and not Laminar's own alerts")
		}
	}
	if c.FromNothing {
		lines = append(lines, "has results without samples too, so it has every window of its fence group")
	}
	if len(c.Leaves) == 1 && c.Leaves[0].Session != nil {
		rule := c.Leaves[0].Session
		return append(lines, fmt.Sprintf("a session closes %s after its last sample; a late sample changes sessions within %s of it",
			flowdef.FormatMillis(rule.Gap), flowdef.FormatMillis(rule.Reach())))
	}
	if ahead := c.Ahead(); ahead > 0 {
		lines = append(lines, "windows close "+flowdef.FormatMillis(ahead)+" later than others: so far beyond its end a negative offset makes each read")
	}
	return lines
}

// DescribeFlow says in a few lines how a flow is kept, for people: the
// expression, and where its executor cannot be had. Asking for pushdown where it
// is not possible is no fault: the flow is right, and is computed in columns.
func DescribeFlow(f *flowdef.Flow) []string {
	lines := describeExpr(&f.Expr)
	if w := f.Watermark; w != nil {
		lines = append(lines, fmt.Sprintf("windows close when every %s has passed them, those aside of which nothing was committed for %s", strings.Join(w.Labels, ", "), flowdef.FormatMillis(w.Idle)))
	}
	for i, r := range f.Relabel {
		lines = append(lines, fmt.Sprintf("relabel %d: %s", i+1, r))
	}
	if f.Approximate != 0 {
		lines = append(lines, "quantiles over time are approximate: each is of a sketch, within "+native.Percent(f.Approximate)+" of the sample at its rank")
	}
	if f.Executor != flowdef.ExecutorPushdown {
		return lines
	}
	for i := range f.Expr.Leaves {
		l := &f.Expr.Leaves[i]
		if no := l.CannotPush(); no != "" {
			lines = append(lines, l.Text+": executor pushdown is not possible ("+string(no)+"): "+no.Text())
		}
	}
	return lines
}
