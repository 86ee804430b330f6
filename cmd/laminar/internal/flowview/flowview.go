// Package flowview lays flows out for people: `laminar flow list`, `laminar flow show` and
// the flows of `laminar status`. What of them programs see is in server/view.
package flowview

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/sequence/series"
	"laminar/server/view"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/flowstore"
)

// describeMetric is a metric in one line.
func describeMetric(m view.Metric) string {
	words := m.Metric + ": " + m.Type
	if m.Unit != "" {
		words += ", " + m.Unit
	}
	if m.Help != "" {
		words += ". " + m.Help
	}
	return words
}

// List is flows, one line each.
func List(flows []flowstore.FlowStatus) term.Table {
	t := term.Table{Head: []string{"flow", "table", "every", "mode", "stored until", "lag", "dirty", "size", "state"}}
	data := view.Each(flows, view.NewFlow)
	for i, f := range flows {
		s := data[i]
		var dirty int64
		for _, n := range s.Dirty {
			dirty += n
		}
		t.Rows = append(t.Rows, []string{
			s.Flow, s.Table, s.Every, view.ModeText(s.Mode, s.Approximate), s.StoredUntil, lag(f), strconv.FormatInt(dirty, 10), term.FormatBytes(s.Bytes), state(f),
		})
	}
	t.Data = data
	if len(flows) == 0 {
		t = term.Table{Data: data, Note: "no flows"}
	}
	return t
}

// lag says how far a flow is behind what has been committed.
func lag(f flowstore.FlowStatus) string {
	if f.LagSequences == 0 {
		return "none"
	}
	return flowdef.FormatCount(f.LagSequences, "commit") + ", " + flowdef.FormatMillis(f.LagMillis)
}

// state says in one line how a flow is, why, and what to do about it.
func state(f flowstore.FlowStatus) string {
	words, cause := view.FlowState(f)
	switch {
	case words == view.Empty:
		words = "no samples yet"
	case words == view.Failing:
		words = cause
	case cause != "":
		words += ": " + cause
	}
	if f.StalledHint != "" {
		words += "; try: " + f.StalledHint
	}
	if f.LeftOut > 0 {
		words += fmt.Sprintf("; rows of %s left out, the last: %s", flowdef.FormatCount(f.LeftOut, "label set"), f.LeftOutRow)
	}
	if f.LateSamples > 0 {
		words += "; " + view.LeftOut(f)
	}
	if f.Folds {
		words += "; " + view.Folded(f.Def)
	}
	if state, _ := view.FlowState(f); f.Clashes > 0 && (state != view.Failing || f.Error != "") {
		words += "; " + f.ClashText()
	}
	return words
}

// Show is all there is to say of some flows, with what the senders say of metrics and with
// the alerts of rules.
func Show(flows []flowstore.FlowStatus, metadata []series.Metadata, alerts []alertstore.Listed) term.Table {
	var t term.Table
	data := view.Each(flows, view.NewFlow)
	for i, f := range flows {
		s := &data[i]
		s.Metrics, s.Alert = view.Metrics(f, metadata), view.NewAlertRule(f, alerts)
		if i > 0 {
			t.Rows = append(t.Rows, []string{""})
		}
		t.Rows = append(t.Rows,
			[]string{"flow", s.Flow}, []string{"table", s.Table}, []string{"promql", s.PromQL}, []string{"every", s.Every},
			[]string{"mode", view.ModeText(s.Mode, s.Approximate)})
		for _, how := range s.Kept {
			t.Rows = append(t.Rows, []string{"kept", how})
		}
		for _, m := range s.Metrics {
			t.Rows = append(t.Rows, []string{"metric", describeMetric(m)})
		}
		for _, source := range s.Sources {
			t.Rows = append(t.Rows, []string{"source", source.Text()})
		}
		t.Rows = append(append(append(t.Rows, keyRows(&flows[i])...), alertDetails(s.Alert)...),
			[]string{"group", s.Group}, []string{"newest sample", s.NewestSample}, []string{"watermark", s.Watermark},
			[]string{"stored until", s.StoredUntil}, []string{"vector", s.Vector}, []string{"lag", lag(f)},
			[]string{"dirty", reasons(s.Dirty)}, []string{"jobs", strconv.FormatInt(s.Jobs, 10)},
			[]string{"size", term.FormatBytes(s.Bytes)}, []string{"state", state(f)})
	}
	t.Data = data
	return t
}

// keyRows is the keys of a flow's definition and what became of them so far. Those are not
// among them that other rows are about: how the flow is kept names the watermark's sources
// and the relabelling, the mode names the accuracy.
func keyRows(f *flowstore.FlowStatus) (rows [][]string) {
	for _, k := range view.Keys(&f.Def) {
		switch {
		case k.Key == "watermark" || k.Key == "relabel" || k.Key == "approximate":
			continue
		case k.Key == "max_groups" && f.Folds:
			k.Value = view.Folded(f.Def)
		case k.Key == "max_groups":
			k.Value += ", no others so far"
		case k.Key == "late" && f.Def.LeavesOutLate():
			k.Value = view.Lateness(f.Def) + "; " + view.LeftOut(*f)
		case (k.Key == "allowed_lateness" || k.Key == "keep_late"):
			continue // late says them
		}
		rows = append(rows, []string{k.Key, k.Value})
	}
	return rows
}

// alertDetails is an alerting rule and its alerts; nothing of other flows.
func alertDetails(rule *view.AlertRule) [][]string {
	if rule == nil {
		return nil
	}
	rows := [][]string{{"for", rule.For}, {"keep firing for", rule.KeepFiringFor}}
	if rule.Limit > 0 {
		rows = append(rows, []string{"limit", strconv.Itoa(rule.Limit)})
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Labels)) {
		rows = append(rows, []string{"label", name + ": " + rule.Labels[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		rows = append(rows, []string{"annotation", name + ": " + rule.Annotations[name]})
	}
	for _, a := range rule.Alerts {
		rows = append(rows, []string{"alert", fmt.Sprintf("%s since %s, value %s: %s", a.State, a.Since(), a.ValueAsText, a.LabelsAsText)})
	}
	if len(rule.Alerts) == 0 {
		rows = append(rows, []string{"alert", "none is pending or fires"})
	}
	return rows
}

// reasons spells dirty windows by reason, "none" when there are none.
func reasons(dirty map[string]int64) string {
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(dirty)) {
		words = append(words, fmt.Sprintf("%d %s", dirty[reason], reason))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
