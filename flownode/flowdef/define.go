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
	f.Expr, f.PromQL, f.Every = c, normal, step
	return f, nil
}
