package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"laminar/sequence/segment"
	"laminar/sqlstore"
)

// flowState is a flow as `flow list`, `flow show` and `status` print it with
// --output json. Times are RFC 3339, "-" where there is none.
type flowState struct {
	validatedFlow
	Watermark    string           `json:"watermark"`
	StoredUntil  string           `json:"stored_until"` // end of the last closed window that is stored
	NewestSample string           `json:"newest_sample"`
	Vector       string           `json:"vector"`
	LagSequences int64            `json:"lag_sequences"`
	LagSeconds   float64          `json:"lag_seconds"`
	Dirty        map[string]int64 `json:"dirty"` // windows to be recomputed, by reason
	Jobs         int64            `json:"jobs"`
	Bytes        int64            `json:"bytes"`
	Error        string           `json:"error,omitempty"`
	Metrics      []metricState    `json:"metrics,omitempty"` // only flow show
}

// metricState is a metric that a flow reads, as its senders describe it.
type metricState struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Help   string `json:"help"`
	Unit   string `json:"unit"`
}

// metricsOf lists the metrics that the flows' selectors name, each once.
func metricsOf(flows []sqlstore.FlowStatus) []string {
	var names []string
	for _, f := range flows {
		for _, leaf := range f.Def.Expr.Leaves {
			if leaf.Metric != "" {
				names = append(names, leaf.Metric)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// describe picks what is said of the metrics of one flow.
func describe(f sqlstore.FlowStatus, metadata []segment.Metadata) (list []metricState) {
	names := metricsOf([]sqlstore.FlowStatus{f})
	for _, m := range metadata {
		if slices.Contains(names, m.Metric) {
			list = append(list, metricState(m))
		}
	}
	return list
}

// text is the metric in one line.
func (m metricState) text() string {
	words := m.Metric + ": " + m.Type
	if m.Unit != "" {
		words += ", " + m.Unit
	}
	if m.Help != "" {
		words += ". " + m.Help
	}
	return words
}

func newFlowState(f sqlstore.FlowStatus) flowState {
	return flowState{
		validatedFlow: validatedFlow{
			Flow: f.Def.Title(), Table: plainName(f.Table), Every: formatMillis(f.Def.Every),
			Group: f.Group, PromQL: f.Def.PromQL,
			Mode: f.Def.Expr.Mode(), Kept: f.Def.Describe(),
		},
		Watermark: formatTime(f.Watermark), StoredUntil: formatTime(f.EmittedUntil), NewestSample: formatTime(f.NewestT),
		Vector: f.Vector.String(), LagSequences: f.LagSequences, LagSeconds: float64(f.LagMillis) / 1000,
		Dirty: f.Dirty, Jobs: f.Jobs, Bytes: f.TableBytes, Error: f.Error,
	}
}

func flowTable(flows []sqlstore.FlowStatus) table {
	t := table{head: []string{"flow", "table", "every", "mode", "stored until", "lag", "dirty", "size", "state"}}
	data := make([]flowState, len(flows))
	for i, f := range flows {
		s := newFlowState(f)
		data[i] = s
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
func lag(f sqlstore.FlowStatus) string {
	if f.LagSequences == 0 {
		return "none"
	}
	return fmt.Sprintf("%d commits, %s", f.LagSequences, formatMillis(f.LagMillis))
}

func state(f sqlstore.FlowStatus) string {
	switch {
	case f.Error != "":
		return f.Error
	case f.Jobs > 0:
		return "refilling"
	case f.EmittedUntil < 0:
		return "no samples yet"
	default:
		return "ok"
	}
}

func flowDetails(flows []sqlstore.FlowStatus, metadata []segment.Metadata) table {
	var t table
	data := make([]flowState, len(flows))
	for i, f := range flows {
		s := newFlowState(f)
		s.Metrics = describe(f, metadata)
		data[i] = s
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
			t.rows = append(t.rows, []string{"metric", m.text()})
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

var quotedName = regexp.MustCompile(`"([a-z_][a-z0-9_]*)"`)

// plainName spells a table's name without the quotes it does not need.
func plainName(quoted string) string { return quotedName.ReplaceAllString(quoted, "$1") }

// formatBytes spells a size for people, with one decimal.
func formatBytes(n int64) string {
	for _, u := range byteUnits {
		if u.size > 1 && n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
