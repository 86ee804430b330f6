package flowgraph

import (
	"maps"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
)

// Validate checks what flows do to each other: what flowdef.Validate checks, and what
// Readers does. existing are the flows of the catalogue; those with the identity of one of
// flows are about to be replaced and do not count.
func Validate(flows, existing []flowdef.Flow) []flowdef.Problem {
	others := Together(flows, existing)[len(flows):]
	return slices.Concat(flowdef.Validate(flows, existing), Readers(flows, others))
}

// Readers checks which flows read results of which: that none reads its own by way of
// others, that none reads sessions, and that none asks for what only raw samples have.
// others are the flows that there are beside them; what these do to each other is not said
// again.
func Readers(flows, others []flowdef.Flow) []flowdef.Problem {
	return slices.Concat(sessionReaders(flows, others), resultReaders(flows, others), circles(flows, others))
}

// resultReaders refuses keys about raw samples of flows that read results of flows only:
// they would do nothing.
func resultReaders(flows, others []flowdef.Flow) []flowdef.Problem {
	all := slices.Concat(flows, others)
	if !slices.ContainsFunc(all, func(f flowdef.Flow) bool { return f.Watermark != nil || f.LeavesOutLate() }) {
		return nil
	}
	var out []flowdef.Problem
	g := New(all)
	for i, f := range all {
		var at, key, why string
		switch {
		case f.Watermark != nil:
			at, key, why = "watermark", "watermark: by", "its watermark goes by how far these flows are, so state it there"
		case f.AllowedLateness > 0:
			at, key, why = "allowed_lateness", "allowed_lateness", "no sample comes late for it, and it follows every correction of what it reads; bound these there"
		case f.LeavesOutLate():
			at, key, why = "late", "late: "+string(f.Late), "no sample comes late for it, and it follows every correction of what it reads; state it there"
		default:
			continue
		}
		parents := g.Reads(i)
		if _, readsRaw := g.RawPart(i); readsRaw {
			continue
		}
		if i < len(flows) {
			out = append(out, flowdef.ProblemAt(&f, at, "%s: the flow reads no raw samples, only results of %s: %s", key, titles(all, parents), why))
			continue
		}
		// The flow was there before: what is new is one that it reads.
		if fresh := slices.IndexFunc(parents, func(p int) bool { return p < len(flows) }); fresh >= 0 {
			out = append(out, flowdef.ProblemAt(&all[parents[fresh]], "", "flow %s, which has %s, would read no raw samples any more, only results of %s: %s", f.Title(), key, titles(all, parents), why))
		}
	}
	return out
}

// titles lists flows, for people.
func titles(all []flowdef.Flow, which []int) string {
	out := make([]string, len(which))
	for i, p := range which {
		out[i] = all[p].Title()
	}
	return strings.Join(out, ", ")
}

// sessionReaders refuses flows that read sessions, and flows of sessions that read
// results.
func sessionReaders(flows, others []flowdef.Flow) []flowdef.Problem {
	all := slices.Concat(flows, others)
	if !slices.ContainsFunc(all, func(f flowdef.Flow) bool { return f.Session != nil }) {
		return nil
	}
	var out []flowdef.Problem
	g := New(all)
	for i := range all {
		for _, p := range g.Reads(i) {
			if all[i].Session == nil && all[p].Session == nil || i >= len(flows) && p >= len(flows) {
				continue
			}
			at, key, message := &all[i], flowdef.KeyExpr, "can read results of "+all[p].Title()+", which are sessions: these have no step, and a series of them no value at most times; read them by SQL"
			if all[p].Session == nil {
				message = "can read results of " + all[p].Title() + ", and its own are sessions: these are made of raw samples"
			}
			if i >= len(flows) && p < len(flows) {
				at, key = &all[p], "session"
				message = "can be read by " + all[i].Title() + ": of flows that one reads from the other, none has sessions"
			}
			out = append(out, flowdef.ProblemAt(at, key, "%s", message))
			break
		}
	}
	return out
}

// circles refuses flows that read their own results by way of others.
func circles(flows, others []flowdef.Flow) []flowdef.Problem {
	all := slices.Concat(flows, others)
	i, cycle := New(all).Cycle()
	if cycle == nil {
		return nil
	}
	// The catalogue had none, so some flow of the cycle is new: its place is the one to
	// name.
	if j := slices.IndexFunc(flows, func(f flowdef.Flow) bool { return slices.Contains(cycle.Titles, f.Title()) }); j >= 0 {
		i = j
	}
	return []flowdef.Problem{flowdef.ProblemAt(&all[i], flowdef.KeyExpr, "%v: a flow can read its own results, but not by way of others", cycle)}
}

// Together is the flows that the catalogue holds once flows are applied: these, and
// those of existing that none of them takes the place of.
func Together(flows, existing []flowdef.Flow) []flowdef.Flow {
	all, titles := slices.Clone(flows), map[string]bool{}
	for _, f := range flows {
		titles[f.Title()] = true
	}
	for _, f := range existing {
		if !titles[f.Title()] {
			all = append(all, f)
		}
	}
	return all
}

// SetPrevious notes in the rules of one group, which are in their order, which of
// those that they read stand behind them (flowdef.Flow.Previous), and which read
// themselves.
func SetPrevious(rules []flowdef.Flow) { setPrevious(rules, true) }

// SetItself notes in flows whose order says nothing which of them read themselves.
func SetItself(flows []flowdef.Flow) { setPrevious(flows, false) }

// setPrevious notes in each flow what it sees as the evaluation before left it.
func setPrevious(flows []flowdef.Flow, ordered bool) {
	g := New(flows)
	for i := range flows {
		var titles []string
		names, beside := map[string]bool{}, false // whether it sees results of the name from before
		before, behind := map[string][]string{}, map[string][]string{}
		for _, p := range g.Reads(i) {
			parent := &flows[p]
			title, late := parent.RecordTitle(), ordered && p > i
			if p == i || late && slices.Contains(before[title], parent.PromQL) {
				continue // a rule that repeats one before it is that one
			}
			was, known := names[parent.Name]
			names[parent.Name] = late
			// The name ends where a title has a brace.
			beside = beside || known && was != late || strings.Contains(parent.Name, "{")
			if !late {
				before[title] = append(before[title], parent.PromQL)
				continue
			}
			if behind[title] == nil {
				titles = append(titles, title)
			}
			behind[title] = append(behind[title], parent.PromQL)
		}
		// Those are told apart by their expressions that have nothing else of their own.
		maps.DeleteFunc(behind, func(title string, _ []string) bool { return len(before[title]) == 0 })
		if len(behind) == 0 {
			behind = nil
		}
		flows[i].ReadsPrevious(titles, behind, beside && len(titles) > 0, slices.Contains(g.Reads(i), i))
	}
}

// FenceGroups is the fence groups of the flows: their own, or where flows of several
// read each other the first of these by name. Flows that read each other are in one,
// and so are flows that were in one.
func FenceGroups(all []flowdef.Flow) []string {
	g := New(all)
	group := map[string]string{} // of a name, the name of a group that it belongs to
	var root func(name string) string
	root = func(name string) string {
		if up, ok := group[name]; ok && up != name {
			return root(up)
		}
		return name
	}
	for i := range all {
		for _, p := range g.Reads(i) {
			a, b := root(all[i].Group), root(all[p].Group)
			group[max(a, b)] = min(a, b)
		}
	}
	out := make([]string, len(all))
	for i := range all {
		out[i] = root(all[i].Group)
	}
	return out
}
