package flowstate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
)

// Table shows the state of a flow leaf by leaf.
func Table(st view.StateSeen) term.Table {
	t := term.Table{Data: st}
	add := func(name, text string) { t.Rows = append(t.Rows, []string{name, text}) }
	add("flow", st.Flow)
	add("vector", st.Vector)
	add("memory", term.FormatBytes(st.Bytes))
	for i, l := range st.Leaves {
		add(fmt.Sprintf("leaf_%d", i+1), l.Leaf)
		of := "series"
		if l.ByGroup {
			of = "group"
		}
		add("  selects", fmt.Sprintf("%d series in %s", l.Series, flowdef.FormatCount(l.Groups, "group")))
		if !l.Kept {
			add("  state", "none in memory: windows are computed from raw samples")
			continue
		}
		add("  state", fmt.Sprintf("%s, one for each %s and pane of %s, %s", l.Kind, of, l.Pane, term.FormatBytes(l.Bytes)))
		if len(l.SharedWith) > 0 {
			add("  shared with", strings.Join(l.SharedWith, ", "))
		}
		add("  vector", l.Vector)
		add("  panes from", l.From)
		if l.PanesMore > 0 {
			add("  pane", fmt.Sprintf("%d more, older, are left out", l.PanesMore))
		}
		for _, p := range l.Panes {
			add("  pane "+p.End, flowdef.FormatCount(p.Cells, "partial")+", "+term.FormatBytes(p.Bytes))
		}
		for _, p := range l.Partials {
			add("  partial "+p.Pane, partialText(p.PartialOf))
		}
		if l.PartialsMore > 0 {
			add("  partial", fmt.Sprintf("%d more are left out; --limit, --group", l.PartialsMore))
		}
		if w := l.Window; w != nil {
			whole := ""
			if !w.Whole {
				whole = "; older panes of it are not in memory, so it is computed from raw samples"
			}
			add("  window", fmt.Sprintf("samples after %s up to %s%s", w.Start, w.End, whole))
			for _, m := range w.Merged {
				add("  merged", partialText(m.PartialOf)+" = "+m.Value)
			}
			if w.MergedMore > 0 {
				add("  merged", fmt.Sprintf("%d more are left out; --limit, --group", w.MergedMore))
			}
		}
	}
	return t
}

// partialText is a partial in one line: whose it is, and what it holds.
func partialText(p view.PartialOf) string {
	whose := p.Series
	if whose == nil {
		whose = p.Group
	}
	return "{" + pairsText(whose, "=", ", ") + "} " + pairsText(p.Fields, " ", ", ")
}

// pairsText joins names and values, by name.
func pairsText(pairs map[string]string, is, then string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		out = append(out, name+is+pairs[name])
	}
	return strings.Join(out, then)
}
