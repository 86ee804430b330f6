package view

import (
	"cmp"
	"encoding/json"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
)

// Verification is what `verify` found.
type Verification struct {
	Seed  uint64         `json:"seed"` // chooses the same windows again
	Flows []VerifiedFlow `json:"flows"`
}

// VerifiedFlow is what was found of one flow. Cells are the first 10,000 of its
// differences; of a comparison that was asked for over HTTP, the first 200 of all flows.
type VerifiedFlow struct {
	Flow        string                `json:"flow"`
	Windows     int64                 `json:"windows"`
	Rows        int64                 `json:"rows"`
	Skipped     map[verify.Skip]int64 `json:"skipped"`                // windows, by reason
	LateWindows int64                 `json:"late_windows,omitempty"` // that lack samples which came too late for them
	LateSamples int64                 `json:"late_samples,omitempty"` // these samples, each counted for every leaf that reads it
	LateCells   int64                 `json:"late_cells,omitempty"`   // cells that differ because of them, and are no differences
	Differences int64                 `json:"differences"`
	Cells       []Cell                `json:"cells"`
}

// Cell is one difference. A value that is not there is left out.
type Cell struct {
	Kind      string            `json:"kind"` // differs, missing, extra or shifted
	WindowEnd string            `json:"window_end"`
	Labels    map[string]string `json:"labels"`
	Stored    string            `json:"stored,omitempty"`
	Computed  string            `json:"computed,omitempty"`
}

// NewVerifiedFlow shows a report about the flow that def defines.
func NewVerifiedFlow(def flowdef.Flow, r verify.Report) VerifiedFlow {
	layout := flowdef.NewLayout(def)
	out := VerifiedFlow{
		Flow: r.Flow, Windows: r.Windows, Rows: r.Rows, Skipped: r.Skipped, Differences: r.Found,
		LateWindows: r.LateWindows, LateSamples: r.LateSamples, LateCells: r.Late,
		Cells: make([]Cell, len(r.Differences)),
	}
	for i, d := range r.Differences {
		cell := Cell{Kind: string(d.Kind), WindowEnd: FormatTime(d.End), Labels: rowLabels(layout, d.Columns)}
		switch d.Kind {
		case verify.CellShifted:
			cell.Stored = "window_start " + FormatTime(d.StoredStart)
			cell.Computed = "window_start " + FormatTime(cmp.Or(d.Computed.Start, def.WindowStart(d.End)))
		default:
			if d.Kind != verify.CellMissing {
				cell.Stored = formatResult(d.Stored)
			}
			if d.Kind != verify.CellExtra {
				cell.Computed = formatResult(d.Computed)
			}
		}
		out.Cells[i] = cell
	}
	return out
}

// formatResult spells a result: a histogram as Prometheus does.
func formatResult(r progress.Row) string {
	if r.Histogram != nil {
		return r.Histogram.Float().String()
	}
	return FormatValue(r.Value)
}

// rowLabels names a row of a result table by its label columns, or, where one
// jsonb column holds all labels, by what that holds.
func rowLabels(layout *flowdef.Layout, columns []string) map[string]string {
	out := make(map[string]string, len(columns))
	if !layout.PerLabel && len(columns) == 1 {
		if err := json.Unmarshal([]byte(columns[0]), &out); err == nil {
			return out
		}
	}
	for i, name := range layout.Names {
		if i < len(columns) {
			out[name] = columns[i]
		}
	}
	return out
}
