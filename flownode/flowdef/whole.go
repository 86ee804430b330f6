package flowdef

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
)

// wholeCall says why a call that is no leaf cannot stand in a residual, "" when
// it can: it looks at more than the values of one moment.
func wholeCall(n *parser.Call) string {
	if reason := function.Unkept(n.Func.Name); reason != "" {
		return reason
	}
	if function.Named(n.Func.Name) != nil {
		if len(n.Args) == 2 {
			if _, constant := number(n.Args[1]); !constant {
				return "is asked for something that is no constant number"
			}
		}
		return "" // over a subquery, which gives the reason itself
	}
	for _, t := range n.Func.ArgTypes {
		if t == parser.ValueTypeMatrix {
			return "has no mergeable partial"
		}
	}
	return ""
}

// selections lists what the selectors of an expression read, as leaves of a
// batch expression: a subquery around a selector makes it read further back, by
// its range and offset. @ start() and @ end() put a selector back at the end of
// the window, @ with a fixed time at that.
func selections(e parser.Expr, lookback int64) []Leaf {
	var out []Leaf
	seen := map[string]bool{}
	add := func(leaf Leaf) {
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
				return nil
			}
			leaf := selection(n.LabelMatchers, n.String())
			leaf.within(path)
			leaf.hold(n.Timestamp, n.StartOrEnd)
			leaf.Offset += millis(n.OriginalOffset)
			leaf.Range = leaf.Cover + lookback
			if m, ok := parentOf(path).(*parser.MatrixSelector); ok {
				leaf.Cover += millis(m.Range)
				leaf.Range, leaf.Text = leaf.Cover, m.String()
			}
			add(leaf)
		}
		return nil
	})
	return unpinned(out)
}

// Whole is the expression as a batch expression, for a reason that is found at
// run time or to be checked: leaves become the samples that they read. Ranges,
// labels, and which windows have results stay as they are.
func (c *Compiled) Whole(why string) Compiled {
	if c.Batch {
		return *c
	}
	out := *c
	out.Batch, out.Why, out.Residual, out.ByGroup = true, why, nil, false
	out.Leaves = slices.Clone(c.Leaves)
	for i := range out.Leaves {
		l := &out.Leaves[i]
		if l.Markers = l.Func.Markers; !l.Markers {
			l.Cover = l.Range
		}
		l.Agg, l.Without, l.Grouping = nil, false, nil
		l.Func, l.Batch = nil, true
	}
	return out
}
