package flowdef

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
	"laminar/flownode/promexpr"
	"laminar/flownode/promfunc"
)

// Expressions that are evaluated whole. The engine computes each of their windows
// from raw samples, so all that must be known of them is which samples a window
// reads: too few would give a wrong result, too many cost time. selections finds
// that out without computing anything.

// wholeCall says why a call that is no leaf cannot stand in a residual, "" when
// it can: it looks at more than the values of one moment. A residual is evaluated
// over the leaves' vectors at the window's end, and there is nothing before it.
func wholeCall(n *parser.Call) string {
	if reason := function.Unkept(n.Func.Name); reason != "" {
		return reason
	}
	if function.Named(n.Func.Name) != nil {
		// It is no leaf, or would not be here: its argument or what it is applied
		// to stands in the way.
		if len(n.Args) == 2 {
			if _, constant := promexpr.Number(n.Args[1]); !constant {
				return "is asked for something that is no constant number"
			}
		}
		return "" // over a subquery, which gives the reason itself
	}
	// A function over a range that the table does not know yet, of a newer
	// Prometheus: a test of package function asks for its entry.
	for _, t := range n.Func.ArgTypes {
		if t == parser.ValueTypeMatrix {
			return "has no mergeable partial"
		}
	}
	return ""
}

// selections lists what the selectors of an expression read, as leaves of a
// batch expression, each once. A subquery around a selector makes it read further
// back, by its range and offset: in max_over_time(rate(x[5m])[1h:1m] offset 2m) x
// is read from 67m before the window's end. @ start() and @ end() put a selector
// back at the end of the window, @ with a fixed time at that.
//
// Two selectors that read the same samples are one leaf here, whatever the
// expression makes of them: reading is what they are for.
//
// Cover is what the ranges alone make, and Range has the lookback of an instant
// selector in it: a window is as long as Cover says, and reads as far as Range.
func selections(e parser.Expr, lookback int64) []Leaf {
	var out []Leaf
	seen := map[string]bool{}
	add := func(leaf Leaf) { // unless another reads the same
		key := fmt.Sprint(leaf.Matchers, leaf.Range, leaf.Cover, leaf.Offset, leaf.Pinned, leaf.PinnedAt)
		if !seen[key] {
			seen[key] = true
			leaf.Index = len(out)
			out = append(out, leaf)
		}
	}
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.Call:
			if n.Func.Name == "info" {
				for _, leaf := range infoSelections(n, path, lookback) {
					add(leaf)
				}
			}
		case *parser.VectorSelector:
			if ofInfo(n, path) {
				return nil // matchers for info, which listed what they select
			}
			leaf := selection(n.LabelMatchers, n.String())
			leaf.within(path)
			leaf.hold(n.Timestamp, n.StartOrEnd)
			leaf.Offset += millis(n.OriginalOffset)
			// Within a subquery an instant selector looks back from each step.
			leaf.Range = leaf.Cover + lookback
			if m, ok := promexpr.Parent(path).(*parser.MatrixSelector); ok {
				leaf.Cover += millis(m.Range)
				if leaf.Text = m.String(); !promfunc.LooksBefore(path) {
					leaf.Range = leaf.Cover
				} else {
					leaf.Range = leaf.Cover + lookback // from the range, as an instant selector does
				}
			}
			add(leaf)
		}
		return nil
	})
	return unpinned(out)
}

// Whole is the expression as a batch expression, for a reason that is found at
// run time (native histograms) or to be checked (verify): leaves become the
// samples that they read. Ranges, labels, and which windows have results stay as
// they are, so results go on in the same table.
func (c *Compiled) Whole(why string) Compiled {
	if c.Batch {
		return *c
	}
	out := *c
	out.Batch, out.Why, out.Residual, out.ByGroup = true, why, nil, false
	out.Leaves = slices.Clone(c.Leaves)
	for i := range out.Leaves {
		l := &out.Leaves[i]
		if l.Before > 0 { // what may be seen at the window's end depends on whose results it is
			l.Offset, l.Range, l.Before = l.Offset-l.Before, l.Range+l.Before, 0
			l.Panes, out.MinOffset = l.Range/l.Pane, min(out.MinOffset, l.Offset)
		}
		if l.Markers = l.Func.Markers; !l.Markers {
			l.Cover = l.Range - l.Lead
		}
		l.Agg, l.Without, l.Grouping, l.CountsGroups, l.Per = nil, false, nil, false, nil
		l.Func, l.Batch, l.Native, l.Lead = nil, true, false, 0
	}
	return out
}
