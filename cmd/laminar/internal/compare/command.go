package compare

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/server/view"
)

// Named is a flow to compare.
type Named struct {
	ID  progress.FlowID
	Def flowdef.Flow
}

// Command compares flows, and prints what it finds.
type Command struct {
	Store    verify.Store
	Flows    []Named // of one name
	Options  Options
	Out, Err io.Writer
	JSON     bool
}

// Run does it, and reports whether all cells are equal. How far it is it tells Err.
func (c *Command) Run(ctx context.Context) (equal bool, err error) {
	if n := len(c.Flows); c.Options.Query != "" && n > 1 && c.Flows[0].Def.Member != nil {
		return false, fmt.Errorf("a query gives the results of all %d rules of a record at once: name one of them, such as %s", n, c.Flows[0].Def.Title())
	}
	reports := make([]Report, 0, len(c.Flows))
	equal = true
	for _, f := range c.Flows {
		var b *term.Bar
		opts := c.Options
		opts.Progress = func(done, total int64) {
			if b == nil {
				b = term.NewBar(c.Err, "compare "+f.Def.Title(), "windows", total)
			}
			b.Set(done)
		}
		report, err := Flow(ctx, c.Store, f.ID, opts)
		if err != nil {
			return false, fmt.Errorf("flow %s: %w", f.Def.Title(), err)
		}
		reports, equal = append(reports, report), equal && report.Unequal() == 0
	}
	return equal, c.print(reports)
}

// print prints the flows, and below them the first cells that are not equal.
func (c *Command) print(reports []Report) error {
	if c.JSON {
		return term.WriteJSON(c.Out, reports)
	}
	flows := term.Table{Head: []string{"flow", "from", "to", "windows", "left out", "equal", "different", "only here", "only there"}}
	cells := term.Table{Head: []string{"flow", "window end", "labels", "kind", "here", "there"}}
	for i := range reports {
		r := &reports[i]
		row := []string{r.Flow, r.From, r.To}
		for _, n := range []int64{r.Windows, r.LeftOut, r.Equal, r.Different, r.OnlyHere, r.OnlyThere} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		flows.Rows = append(flows.Rows, row)
		for _, cell := range r.Cells {
			cells.Rows = append(cells.Rows, []string{r.Flow, cell.WindowEnd, view.FormatLabels(cell.Labels), cell.Kind, view.OrNone(cell.Here), view.OrNone(cell.There)})
		}
		if more := r.Unequal() - int64(len(r.Cells)); more > 0 {
			cells.Rows = append(cells.Rows, []string{r.Flow, fmt.Sprintf("and %d more", more), "", "", "", ""})
		}
	}
	if err := term.WriteTable(c.Out, flows); err != nil || len(cells.Rows) == 0 {
		return err
	}
	for i := range reports {
		for _, why := range reports[i].Rightly {
			if reports[i].Unequal() > 0 {
				_ = term.Say(c.Out, "\n%s may rightly differ by %s.\n", reports[i].Flow, why)
			}
		}
	}
	_ = term.Say(c.Out, "\n")
	return term.WriteTable(c.Out, cells)
}
