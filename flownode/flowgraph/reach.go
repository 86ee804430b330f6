package flowgraph

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/sequence"
)

// What windows need of raw samples and of results, where a flow reads both: each is
// kept for as long as its own retention says.

// RawPart is the flow with those selectors alone that may read raw samples; ok is
// false when all of them read results only. What it says of reach and of pinned times
// is about raw samples.
func (g *Graph) RawPart(i int) (f flowdef.Flow, ok bool) {
	f = g.defs[i]
	if len(g.reads[i]) == 0 {
		return f, true
	}
	names := map[string]bool{}
	for _, p := range g.reads[i] {
		names[g.defs[p].Name] = true
	}
	part, first := f.Expr, true
	part.Leaves, part.MaxReach, part.MinOffset = nil, 0, 0
	for _, l := range f.Expr.Leaves {
		own := l.Names()
		if own != nil && !slices.ContainsFunc(own, func(name string) bool { return !names[name] }) {
			continue
		}
		part.Leaves = append(part.Leaves, l)
		if l.Pinned {
			continue
		}
		part.MaxReach = max(part.MaxReach, l.Offset+l.Range)
		if first {
			part.MinOffset, first = l.Offset, false
		}
		part.MinOffset = min(part.MinOffset, l.Offset)
	}
	f.Expr = part
	return f, len(part.Leaves) > 0
}

// CheckReach returns the problems of flows whose windows reach further back than what
// they read is kept: raw samples (retention, ms; 0 for ever), and results of flows that
// state how long they are kept. Only the first fresh flows of the graph are checked;
// the other arguments are those of flowdef.CheckRaw.
func (g *Graph) CheckReach(fresh int, retention, earliest, now sequence.Time) []flowdef.Problem {
	var problems []flowdef.Problem
	for i := range g.defs[:fresh] {
		if part, ok := g.RawPart(i); ok && retention > 0 {
			if p := flowdef.CheckRaw(part, retention, earliest, now); p != nil {
				problems = append(problems, *p)
				continue
			}
		}
		f := &g.defs[i]
		for _, p := range g.reads[i] {
			parent := &g.defs[p]
			reach, reads := int64(0), false
			for _, l := range f.Expr.Leaves {
				if !l.Pinned && l.NamesMetric() && l.MaySelect(parent.Name) {
					reach, reads = max(reach, l.Offset+l.Range), true
				}
			}
			// A window closes, and is computed, only so long after its end.
			need := reach + f.CloseDelay() + f.Every
			if parent.Keep > 0 && reads && need > parent.Keep {
				problems = append(problems, flowdef.ProblemAt(f, flowdef.KeyExpr, "its windows reach back %s in the results of %s, which are kept for %s only: with the time until a window closes, `keep` must be %s at least",
					flowdef.FormatMillis(reach), parent.Title(), flowdef.FormatMillis(parent.Keep), flowdef.FormatMillis(need)))
				break
			}
		}
	}
	return problems
}

// Reached is windows of a flow that read results of another.
type Reached struct {
	Flow int           // its place
	Ends sequence.Span // of the windows
}

// Downstream lists the flows above flow i, in the order in which they are computed, with
// the windows that windows of flow i with ends in the span reach through all flows between.
// A window reaches the next one of its flow too: a marker may stand there. What is read at
// a fixed time is left out.
func (g *Graph) Downstream(i int, ends sequence.Span) []Reached {
	spans := map[int]sequence.Span{i: ends}
	var out []Reached
	for _, c := range g.order {
		var span sequence.Span
		for _, p := range g.reads[c] {
			own, ok := spans[p]
			if !ok || c == i || p == c { // what a flow has of itself it corrects by itself
				continue
			}
			for _, l := range g.defs[c].Expr.Leaves {
				if !l.Pinned && l.NamesMetric() && l.MaySelect(g.defs[p].Name) {
					span = span.Join(sequence.Span{After: own.After + l.Offset, UpTo: own.UpTo + g.defs[p].Every + l.Offset + l.Range})
				}
			}
		}
		if !span.Empty() {
			spans[c] = span
			out = append(out, Reached{Flow: c, Ends: span})
		}
	}
	return out
}
