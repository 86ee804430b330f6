package round

// Which windows may hold a sample at all.
// Before: members are complete at the round's vector.
// After: windows are named in which some leaf may hold a sample; others need no look.

import (
	"context"
	"maps"
	"slices"

	"laminar/flownode/keep"
	"laminar/sequence"
)

// candidates lists the window ends in the span in which some leaf that is not
// pinned may hold a sample, ascending, at most limit: from the panes of a leaf that
// has them in memory, else from the time spans of the stored segments. A pinned leaf
// holds the same samples in every window, so it makes no window worth computing. A
// flow that has results from nothing has all windows after began.
func (f *Flow) candidates(ctx context.Context, r *round, began sequence.Time, within sequence.Span, limit int) ([]int64, error) {
	if f.Def.Expr.FromNothing && within.After >= began {
		return everyWindow(f.windows(), within, limit), nil
	}
	seen := map[int64]struct{}{}
	for _, l := range f.Leaves {
		if l.Def.Pinned {
			continue
		}
		needed := sequence.Span{After: l.Span(l.Windows.Next(within.After)).After, UpTo: l.Span(within.UpTo).UpTo}
		if l.ReachesBack(needed.After) {
			for _, end := range l.State.Occupied() {
				collect(l, seen, l.PaneSpan(end), within, limit)
			}
			continue
		}
		metrics := f.metrics(l)
		if len(metrics) == 0 {
			continue
		}
		spans, err := r.Spans(ctx, metrics, needed)
		if err != nil {
			return nil, err
		}
		for _, span := range spans {
			collect(l, seen, span.Cut(needed), within, limit)
		}
	}
	if f.Def.Expr.FromNothing {
		for _, end := range everyWindow(f.windows(), sequence.Span{After: began, UpTo: within.UpTo}, limit) {
			seen[end] = struct{}{}
		}
	}
	ends := slices.Sorted(maps.Keys(seen))
	return ends[:min(len(ends), limit)], nil
}

// collect adds to seen the window ends in within that samples in the span reach,
// the limit smallest of them. Each call may add limit ends: only all calls
// together show which are the smallest, and candidates cuts them at the end.
func collect(l *keep.Leaf, seen map[int64]struct{}, span, within sequence.Span, limit int) {
	first, last := l.Windows.Of(span)
	first = max(first, l.Windows.Next(within.After))
	n := 0
	for end := range l.Windows.Ends(first, min(last, within.UpTo)) {
		if n++; n > limit {
			break
		}
		seen[end] = struct{}{}
	}
}
