package flowdef

// Define is the flow over an expression: what computes it (Expr), the expression's
// normal spelling (PromQL) and, where the flow states none, the step. Every and
// Lookback must be set before. Results do not have the labels named in off. All
// faults of the expression are reported at once, as ExprErrors.
func (f Flow) Define(promql string, off ...string) (Flow, error) {
	c, normal, step, err := compileText(promql, f.Every, f.Lookback)
	if err != nil {
		return f, err // its faults are those of the expression as it was written
	}
	if text := takeOff(normal, &c, off); text != normal {
		if c, normal, step, err = compileText(text, f.Every, f.Lookback); err != nil {
			return f, err
		}
	}
	f.PromQL, f.Every = normal, step
	return f.over(c), nil
}

// over is the flow with what was compiled from its expression. To know whether a
// limit holds, all results of a window must be known.
func (f Flow) over(c Compiled) Flow {
	f.Expr = c
	f.Expr.ByGroup = c.ByGroup && f.Limit == 0
	return f
}
