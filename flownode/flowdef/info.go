package flowdef

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
)

// info() joins labels of info series, such as target_info, to the series of its
// first argument. Its second argument looks like a selector and is none: its
// matchers say which info series to take and which of their labels to add.

// infoSelections lists what info() reads beside its first argument: the info
// series, as an instant selector would. The engine takes them at the time of the
// first argument's selectors where these agree on one, else at the time of
// evaluation; listed are all of these times.
func infoSelections(call *parser.Call, path []parser.Node, lookback int64) []Leaf {
	matchers := infoMatchers(call)
	base := selection(matchers, "info series "+(&parser.VectorSelector{LabelMatchers: matchers}).String())
	base.within(path) // at the time of evaluation
	out := []Leaf{base}
	parser.Inspect(call.Args[0], func(n parser.Node, path []parser.Node) error {
		sel, ok := n.(*parser.VectorSelector)
		if !ok || ofInfo(sel, path) {
			return nil
		}
		leaf := base
		for _, above := range path {
			// Of a subquery the offset counts here, but not the range.
			if n, ok := above.(*parser.SubqueryExpr); ok {
				leaf.hold(n.Timestamp, n.StartOrEnd)
				leaf.Offset += millis(n.OriginalOffset)
			}
		}
		leaf.hold(sel.Timestamp, sel.StartOrEnd)
		leaf.Offset += millis(sel.OriginalOffset)
		out = append(out, leaf)
		return nil
	})
	// Info series are looked up as by an instant selector, at each of the times.
	for i := range out {
		out[i].Range = out[i].Cover + lookback
	}
	return out
}

// infoMatchers is which series info() may join, as the engine finds them: those of its second argument,
// in which a name that is only ruled out means names that end in _info, and none
// means target_info.
func infoMatchers(call *parser.Call) []*labels.Matcher {
	var (
		out             []*labels.Matcher
		named, positive bool
	)
	if len(call.Args) > 1 {
		out = append(out, call.Args[1].(*parser.VectorSelector).LabelMatchers...)
	}
	for _, m := range out {
		if m.Name == model.MetricNameLabel {
			named = true
			// {__name__!="x"} names nothing, it only rules out.
			positive = positive || m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		}
	}
	switch {
	case !named:
		out = append(out, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "target_info"))
	case !positive:
		out = append(out, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+_info"))
	}
	return out
}

// ofInfo reports whether a selector with these ancestors is the second argument
// of info(), which is no selection of its own.
func ofInfo(sel *parser.VectorSelector, path []parser.Node) bool {
	call, ok := promexpr.Parent(path).(*parser.Call)
	return ok && call.Func.Name == "info" && len(call.Args) > 1 && call.Args[1] == parser.Expr(sel)
}
