package flowdef

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// selection is a leaf that selects samples, at the end of the window.
func selection(matchers []*labels.Matcher, text string) Leaf {
	return Leaf{Markers: true, Matchers: matchers, Metric: metricName(matchers), Text: text}
}

// within lets a leaf read as far back as the subqueries around it make it.
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

// hold applies an @ modifier: whatever stands around it, it is from there that
// offset and range count.
func (l *Leaf) hold(timestamp *int64, startOrEnd parser.ItemType) {
	switch {
	case startOrEnd != 0:
		l.Cover, l.Offset, l.Pinned, l.PinnedAt = 0, 0, false, 0
	case timestamp != nil:
		l.Cover, l.Offset, l.Pinned, l.PinnedAt = 0, 0, true, *timestamp
	}
}

// unpinned adds, where all selectors are pinned, what they would read without @:
// it says which windows have results.
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
