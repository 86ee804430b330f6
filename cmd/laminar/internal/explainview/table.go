// Package explainview shows how flows are computed: what `laminar flow explain` prints.
package explainview

import (
	"fmt"
	"strings"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/server/view"
)

// Table is flows, leaf by leaf, as a table of names and texts.
func Table(flows []view.Explained) term.Table {
	t := term.Table{Data: flows}
	add := func(name, text string) {
		if text != "" {
			t.Rows = append(t.Rows, []string{name, text})
		}
	}
	for i, f := range flows {
		if i > 0 {
			t.Rows = append(t.Rows, []string{""})
		}
		add("flow", f.Flow)
		add("promql", f.PromQL)
		add("every", f.Every)
		add("emit", f.Emit)
		add("mode", strings.TrimSuffix(view.ModeText(f.Mode, f.Approximate)+": "+f.Why, ": "))
		add("residual", f.Residual)
		add("executor", f.Executor+" (the "+f.SaidBy+" says)")
		if d := f.Data; d != nil {
			add("vector", d.Vector+" of "+d.Position)
			add("link", linkText(d))
		}
		for n, l := range f.Leaves {
			add(fmt.Sprintf("leaf_%d", n+1), l.Leaf)
			add("  state", stateText(&l))
			add("  shared with", strings.Join(l.SharedWith, ", "))
			add("  results of", strings.Join(l.Upstream, ", "))
			if l.Read != nil {
				add("  selects", selectsText(&l))
				add("  "+readName(f.Data), readText(l.Read))
				add("  expected", costText(l.Read))
			}
			add("  executor", choiceText(&l))
		}
	}
	return t
}

// linkText is the connection that reading goes over.
func linkText(d *view.ExplainedData) string {
	how := "assumed, too little was read to tell"
	if d.Measured {
		how = "measured from here"
	}
	speed := "no time for bytes"
	if d.BytesPerSecond > 0 {
		speed = term.FormatBytes(int64(min(d.BytesPerSecond, 1e15))) + "/s"
	}
	return fmt.Sprintf("%s a round trip, %s (%s)", term.FormatSeconds(d.RoundTrip), speed, how)
}

// readName says what the counts of what is read are about.
func readName(d *view.ExplainedData) string {
	if d.Idle {
		return "newest"
	}
	return "to read"
}

func stateText(l *view.ExplainedLeaf) string {
	if l.Pane == "" {
		return fmt.Sprintf("none: samples of %s before each window's end are read", l.Range)
	}
	text := l.State + ", " + view.FormatPanes(l.Panes, l.Pane)
	if l.Offset != "0s" {
		text += ", offset " + l.Offset
	}
	return text
}

// selectsText counts raw series, and results where the leaf may select some.
func selectsText(l *view.ExplainedLeaf) string {
	text := fmt.Sprintf("%s, %d series in %s", flowdef.FormatCount(l.Read.Metrics, "metric"), l.Read.Series, flowdef.FormatCount(l.Read.Groups, "group"))
	if len(l.Upstream) > 0 {
		text += "; " + flowdef.FormatCount(l.Read.Results, "result") + " in the newest windows"
	}
	return text
}

func readText(r *view.ExplainedRead) string {
	return fmt.Sprintf("%s in %s, %s (%d unordered, %d sealed)", flowdef.FormatCount(r.Samples, "sample"), flowdef.FormatCount(r.Segments, "segment"), term.FormatBytes(r.Bytes), r.Unordered, r.Sealed)
}

func costText(r *view.ExplainedRead) string {
	text := "columnar " + term.FormatSeconds(r.Columnar)
	if r.Pushdown > 0 {
		text += fmt.Sprintf(", pushdown %s to %s at most", term.FormatSeconds(r.Pushdown), flowdef.FormatCount(r.Partials, "partial"))
	}
	return text
}

// choiceText is the executor, and why.
func choiceText(l *view.ExplainedLeaf) string {
	why := map[string]string{
		string(executor.CannotPush): flowdef.NoPush(l.CannotPush).Text(),
		string(executor.ByFlow):     "the flow says so",
		string(executor.BySetting):  "the setting says so",
		string(executor.Shared):     "another leaf needs the columns anyway",
		string(executor.ByCost):     "whichever is expected to be cheaper",
	}[l.Reason]
	reason := l.Reason
	if l.CannotPush != "" {
		reason += ", " + l.CannotPush
	}
	text := fmt.Sprintf("%s (%s): %s", l.Executor, reason, why)
	if l.Refused != "" {
		text += "; pushdown was asked for and is not possible"
	}
	return text
}
