package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode"
	"laminar/flownode/flowdef"
)

// verifyState is what `verify --output json` prints.
type verifyState struct {
	Seed  uint64         `json:"seed"` // chooses the same windows again
	Flows []verifiedFlow `json:"flows"`
}

// verifiedFlow is one flow; Cells are the first 10,000 of its differences.
type verifiedFlow struct {
	Flow        string                  `json:"flow"`
	Windows     int64                   `json:"windows"`
	Rows        int64                   `json:"rows"`
	Skipped     map[flownode.Skip]int64 `json:"skipped"` // windows, by reason
	Differences int64                   `json:"differences"`
	Cells       []differentCell         `json:"cells"`
}

// differentCell is one difference. Values are texts, because JSON has no NaN;
// the one that is not there is left out.
type differentCell struct {
	Kind      string            `json:"kind"` // differs, missing, extra or shifted
	WindowEnd string            `json:"window_end"`
	Labels    map[string]string `json:"labels"`
	Stored    string            `json:"stored,omitempty"`
	Computed  string            `json:"computed,omitempty"`
}

// verified is a report for people and programs.
func verified(def flowdef.Flow, r flownode.VerifyReport) verifiedFlow {
	layout := flowdef.NewLayout(def)
	out := verifiedFlow{
		Flow: r.Flow, Windows: r.Windows, Rows: r.Rows, Skipped: r.Skipped, Differences: r.Found,
		Cells: make([]differentCell, len(r.Differences)),
	}
	for i, d := range r.Differences {
		cell := differentCell{Kind: string(d.Kind), WindowEnd: formatTime(d.End), Labels: cellLabels(layout, d.Columns)}
		switch d.Kind {
		case flownode.CellShifted:
			cell.Stored = "window_start " + formatTime(d.StoredStart)
			cell.Computed = "window_start " + formatTime(def.WindowStart(d.End))
		default:
			if d.Kind != flownode.CellMissing {
				cell.Stored = formatValue(d.Stored)
			}
			if d.Kind != flownode.CellExtra {
				cell.Computed = formatValue(d.Computed)
			}
		}
		out.Cells[i] = cell
	}
	return out
}

// formatValue spells a value so that it reads back as the same double.
func formatValue(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// cellLabels names a row by its label columns, or by what the one column holds.
func cellLabels(layout *flowdef.Layout, columns []string) map[string]string {
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

// printVerified prints the flows, and below them the cells that differ.
func (a *app) printVerified(s verifyState) error {
	if a.output == "json" {
		return writeJSON(a.stdout, s)
	}
	flows := table{head: []string{"flow", "windows", "rows", "differences", "windows left out"}}
	cells := table{head: []string{"flow", "window end", "labels", "kind", "stored", "computed"}}
	for _, f := range s.Flows {
		flows.rows = append(flows.rows, []string{
			f.Flow, strconv.FormatInt(f.Windows, 10), strconv.FormatInt(f.Rows, 10), strconv.FormatInt(f.Differences, 10), describeSkipped(f.Skipped),
		})
		for _, c := range f.Cells {
			cells.rows = append(cells.rows, []string{f.Flow, c.WindowEnd, describeLabels(c.Labels), c.Kind, dashed(c.Stored), dashed(c.Computed)})
		}
		if more := f.Differences - int64(len(f.Cells)); more > 0 {
			cells.rows = append(cells.rows, []string{f.Flow, fmt.Sprintf("and %d more", more), "", "", "", ""})
		}
	}
	if len(flows.rows) == 0 {
		flows = table{note: "no flows"}
	}
	if err := writeTable(a.stdout, flows); err != nil || len(cells.rows) == 0 {
		return err
	}
	fmt.Fprintln(a.stdout)
	return writeTable(a.stdout, cells)
}

func dashed(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func describeSkipped(skipped map[flownode.Skip]int64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		words = append(words, fmt.Sprintf("%d %s", skipped[why], why))
	}
	return dashed(strings.Join(words, ", "))
}

func describeLabels(set map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		words = append(words, name+"="+strconv.Quote(set[name]))
	}
	return "{" + strings.Join(words, ", ") + "}"
}
