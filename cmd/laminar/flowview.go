package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/sequence/series"
	"laminar/server/view"
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

func flowTable(flows []flowstore.FlowStatus) table {
	t := table{head: []string{"flow", "table", "every", "mode", "stored until", "lag", "dirty", "size", "state"}}
	data := view.Each(flows, view.NewFlow)
	for i, f := range flows {
		s := data[i]
		var dirty int64
		for _, n := range s.Dirty {
			dirty += n
		}
		t.rows = append(t.rows, []string{
			s.Flow, s.Table, s.Every, s.Mode, s.StoredUntil, lag(f), strconv.FormatInt(dirty, 10), formatBytes(s.Bytes), state(f),
		})
	}
	t.data = data
	return t
}

// lag says how far a flow is behind what has been committed.
func lag(f flowstore.FlowStatus) string {
	if f.LagSequences == 0 {
		return "none"
	}
	return fmt.Sprintf("%d commits, %s", f.LagSequences, flowdef.FormatMillis(f.LagMillis))
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
		words += fmt.Sprintf("; rows of %d label sets left out, the last: %s", f.LeftOut, f.LeftOutRow)
	}
	if state, _ := view.FlowState(f); f.Clashes > 0 && (state != view.Failing || f.Error != "") {
		words += "; " + f.ClashText()
	}
	return words
}

func flowDetails(flows []flowstore.FlowStatus, metadata []series.Metadata) table {
	var t table
	data := view.Each(flows, view.NewFlow)
	for i, f := range flows {
		s := &data[i]
		s.Metrics = view.Metrics(f, metadata)
		if i > 0 {
			t.rows = append(t.rows, []string{""})
		}
		t.rows = append(t.rows,
			[]string{"flow", s.Flow}, []string{"table", s.Table}, []string{"promql", s.PromQL}, []string{"every", s.Every},
			[]string{"mode", s.Mode})
		for _, how := range s.Kept {
			t.rows = append(t.rows, []string{"kept", how})
		}
		for _, m := range s.Metrics {
			t.rows = append(t.rows, []string{"metric", describeMetric(m)})
		}
		t.rows = append(t.rows,
			[]string{"group", s.Group}, []string{"newest sample", s.NewestSample}, []string{"watermark", s.Watermark},
			[]string{"stored until", s.StoredUntil}, []string{"vector", s.Vector}, []string{"lag", lag(f)},
			[]string{"dirty", reasons(s.Dirty)}, []string{"jobs", strconv.FormatInt(s.Jobs, 10)},
			[]string{"size", formatBytes(s.Bytes)}, []string{"state", state(f)})
	}
	t.data = data
	return t
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

// formatBytes spells a size for people, with one decimal.
func formatBytes(n int64) string {
	for _, u := range view.ByteUnits {
		if u.Size > 1 && n >= u.Size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.Size), u.Name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
