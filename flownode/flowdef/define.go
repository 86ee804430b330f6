package flowdef

import (
	"fmt"
	"slices"

	"laminar/flownode/function"
	"laminar/flownode/native"
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
	sketched, err := withSketches(normal, f.Accuracy, f.Approximate)
	if err != nil {
		return f, err
	}
	if sketched != normal {
		if c, normal, err = compile(&f, sketched); err != nil {
			return f, err
		}
	}
	if text := takeOff(normal, &c, off); text != normal {
		if c, normal, err = compile(&f, text); err != nil {
			return f, err
		}
	}
	f.PromQL, f.Accuracy = normal, 0
	return f.over(c)
}

// withSketches is the expression, in the parser's own spelling, with a flow's keys
// `accuracy` and `approximate` written into it.
func withSketches(text string, accuracy, approximate float64) (string, error) {
	if accuracy == 0 && approximate == 0 {
		return text, nil
	}
	e, err := parseExpr(text)
	if err == nil {
		e, err = native.WithAccuracy(e, accuracy, approximate)
	}
	if err != nil {
		return "", ExprErrors{{Message: err.Error(), reason: err}}
	}
	return e.String(), nil
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
		l := &out.Leaves[i]
		l.Relabel = r
		// Series that are made equal fail a window for all of its groups, but under an
		// aggregation of an instant selector.
		out.ByGroup = out.ByGroup && l.Agg != nil && l.Func == function.Instant
	}
	return out
}
