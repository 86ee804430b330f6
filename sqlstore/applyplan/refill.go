package applyplan

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// CannotRefill is why the windows of a flow, at place i of the graph, cannot be computed again;
// nil when they can. earliest is the time before which raw samples are given up.
func CannotRefill(graph *flowgraph.Graph, i int, flow *flowdef.Flow, from, to, earliest sequence.Time) error {
	// With @ every window reads the same samples, so either all can be computed or
	// none.
	part, readsRaw := graph.RawPart(i)
	if !readsRaw {
		earliest = 0 // it reads results of flows, which stay
	}
	if part.Expr.PinnedGone(earliest) {
		return &progress.PinnedGoneError{Flow: flow.Title(), Earliest: earliest}
	}
	// What the job will compute first. Asking for what cannot be rebuilt is refused
	// here, where the caller can be told; should retention overtake the job later,
	// it ends with the same words.
	first := flow.Windows().Next(from)
	if first > to {
		return &progress.EmptySpanError{Flow: flow.Title(), From: from, To: to, Next: first}
	}
	if rebuildable := part.FirstRebuildable(earliest); first < rebuildable {
		return &progress.RetentionError{Flow: flow.Title(), From: from, Earliest: rebuildable}
	}
	return nil
}

// GoesOn is why a flow that reads its own results cannot go on from the windows before a time:
// they are not kept, so it would begin anew there, and what is kept would lack what was before.
// nil when it can, or it reads none of its own. kept is flowdef.Flow.KeptFrom.
func GoesOn(flow *flowdef.Flow, from, kept sequence.Time) error {
	if flow.Keep == 0 || !flow.Itself {
		return nil
	}
	windows, reach := flow.Windows(), int64(0)
	for _, l := range flow.Expr.Leaves {
		if !l.Pinned && l.NamesMetric() && l.MaySelect(flow.Name) {
			reach = max(reach, l.Offset+l.Range)
		}
	}
	first := windows.From(kept - 1 + reach)
	if windows.Next(from) >= first {
		return nil
	}
	// Windows close until the refill comes to them, so a few more than those are left out.
	first = windows.From(first + min(flow.Keep/20, 10*flow.Every))
	return &progress.RetentionError{Flow: flow.Title(), From: from, Earliest: first, Results: true}
}
