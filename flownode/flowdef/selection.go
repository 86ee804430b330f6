package flowdef

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
)

// A selection is a leaf of a batch expression: not something to compute, but
// which samples of which series a window reads.

// selection is a leaf that selects samples, at the end of the window.
func selection(matchers []*labels.Matcher, text string) Leaf {
	return Leaf{Markers: true, Matchers: matchers, Metric: promexpr.MetricName(matchers), Text: text}
}

// within lets a leaf read as far back as the subqueries around it make it. path
// is its ancestors, the outermost first: an @ on the way drops what the ones
// before it have added.
func (l *Leaf) within(path []parser.Node) {
	for _, above := range path {
		if n, ok := above.(*parser.SubqueryExpr); ok {
			l.hold(n.Timestamp, n.StartOrEnd)
			l.nested = true
			l.Cover += millis(n.Range)
			l.Offset += millis(n.OriginalOffset)
		}
	}
}

// hold applies an @ modifier: offset and range count from the time that it names,
// whatever stands around it. Without a modifier it does nothing.
func (l *Leaf) hold(timestamp *int64, startOrEnd parser.ItemType) {
	switch {
	case startOrEnd != 0:
		l.Cover, l.Offset, l.Pinned, l.PinnedAt = 0, 0, false, 0
	case timestamp != nil:
		l.Cover, l.Offset, l.Pinned, l.PinnedAt = 0, 0, true, *timestamp
	}
}

// unpinned adds, where all selectors are pinned, what they would read without @:
// it says which windows have results. Pinned selections alone would give every
// window since the epoch the same result, and none a reason to be computed. So
// up @ 1700000000 has results in the windows in which up would have them.
func unpinned(leaves []Leaf) []Leaf {
	if slices.ContainsFunc(leaves, func(l Leaf) bool { return !l.Pinned }) {
		return leaves
	}
	for _, l := range leaves {
		l.Index, l.Pinned, l.PinnedAt, l.Text = len(leaves), false, 0, "windows of "+l.Text+" without @"
		leaves = append(leaves, l)
	}
	return leaves
}
