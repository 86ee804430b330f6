package flowdef

import (
	"fmt"
	"slices"

	"laminar/sequence/relabeling"
)

// Define is the flow over an expression: what computes it (Expr), the expression's
// normal spelling (PromQL) and, where the flow states none, the step. Every,
// Lookback and Relabel must be set before. Results do not have the labels named in off. All
// faults of the expression are reported at once, as ExprErrors.
func (f Flow) Define(promql string, off ...string) (Flow, error) {
	c, normal, err := compile(&f, promql)
	if err != nil {
		return f, err // its faults are those of the expression as it was written
	}
	if text := takeOff(normal, &c, off); text != normal {
		if c, normal, err = compile(&f, text); err != nil {
			return f, err
		}
	}
	f.PromQL = normal
	return f.over(c)
}

// over is the flow with what was compiled from its expression. To know whether a
// limit holds, all results of a window must be known.
func (f Flow) over(c Compiled) (Flow, error) {
	f.Expr = c
	f.Expr.ByGroup = c.ByGroup && f.Limit == 0
	for i := range f.Expr.Leaves { // which are this flow's own
		f.Expr.Leaves[i].Also = f.Watermark.Names()
	}
	if len(f.Relabel) == 0 {
		return f, nil
	}
	r, err := relabeling.New(f.Relabel)
	if err != nil {
		return f, fmt.Errorf("relabel: %w", err)
	}
	f.Expr = f.Expr.relabelledBy(r)
	return f, nil
}

// relabelledBy is the expression over series with other labels. Its metric can then have
// several names.
func (c *Compiled) relabelledBy(r *relabeling.Relabeler) Compiled {
	out := *c
	out.KeepName = c.KeepName || r.Renames()
	out.Leaves = slices.Clone(c.Leaves)
	for i := range out.Leaves {
		out.Leaves[i].Relabel = r
		out.ByGroup = out.ByGroup && !out.Leaves[i].Apart()
	}
	return out
}
