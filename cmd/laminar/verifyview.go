package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/flownode/verify"
	"laminar/server/view"
)

// printVerified prints the flows, and below them the cells that differ.
func (a *app) printVerified(s view.Verification) error {
	if a.output == "json" {
		return term.WriteJSON(a.stdout, s)
	}
	flows := term.Table{Head: []string{"flow", "windows", "rows", "differences", "windows left out"}}
	cells := term.Table{Head: []string{"flow", "window end", "labels", "kind", "stored", "computed"}}
	for _, f := range s.Flows {
		flows.Rows = append(flows.Rows, []string{
			f.Flow, strconv.FormatInt(f.Windows, 10), strconv.FormatInt(f.Rows, 10), strconv.FormatInt(f.Differences, 10), describeSkipped(f.Skipped),
		})
		for _, c := range f.Cells {
			cells.Rows = append(cells.Rows, []string{f.Flow, c.WindowEnd, view.FormatLabels(c.Labels), c.Kind, view.OrNone(c.Stored), view.OrNone(c.Computed)})
		}
		if more := f.Differences - int64(len(f.Cells)); more > 0 {
			cells.Rows = append(cells.Rows, []string{f.Flow, fmt.Sprintf("and %d more", more), "", "", "", ""})
		}
	}
	if len(flows.Rows) == 0 {
		flows = term.Table{Note: "no flows"}
	}
	if err := term.WriteTable(a.stdout, flows); err != nil {
		return err
	}
	for _, f := range s.Flows {
		if f.LateWindows > 0 {
			_ = term.Say(a.stdout, "\n%s was compared with all raw samples. Its definition leaves out what comes too late, in %s so far. That these have %s with another value is no difference. A refill takes the samples in.\n",
				f.Flow, flowdef.FormatCount(f.LateWindows, "window"), flowdef.FormatCount(f.LateCells, "row"))
		}
	}
	if len(cells.Rows) == 0 {
		return nil
	}
	_ = term.Say(a.stdout, "\n")
	return term.WriteTable(a.stdout, cells)
}

func describeSkipped(skipped map[verify.Skip]int64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		words = append(words, fmt.Sprintf("%d %s", skipped[why], why))
	}
	return view.OrNone(strings.Join(words, ", "))
}
