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
			reach := int64(0)
			for _, l := range f.Expr.Leaves {
				if !l.Pinned && l.NamesMetric() && l.MaySelect(parent.Name) {
					reach = max(reach, l.Offset+l.Range)
				}
			}
			if parent.Keep > 0 && reach > parent.Keep {
				problems = append(problems, flowdef.Problem{File: f.File, Line: f.Line, Message: "flow " + f.Title() + ": its windows reach back " +
					flowdef.FormatMillis(reach) + " in the results of " + parent.Title() + ", which are kept for " + flowdef.FormatMillis(parent.Keep) + " only"})
				break
			}
		}
	}
	return problems
}
