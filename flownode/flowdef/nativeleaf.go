package flowdef

import "slices"

// Expressions over series that hold native histograms. A leaf over them is a function
// over each series, and everything above it, aggregations included, is the residual:
// what Prometheus makes of floats and histograms together stays its engine's affair,
// and a partial is needed of functions only.
//
//	histogram_quantile(0.9, sum by (job) (rate(latency[5m])))
//
// has the leaf rate(latency[5m]) and the rest as its residual. For floats that would be
// slower than sum by (job) (rate(latency[5m])) as a leaf, with a result per group, so
// leaves are made so only where there are histograms: from the start where a function
// works on nothing else, and otherwise when the first one lands (ForHistograms).

// Native reports whether all leaves keep series that may hold native histograms.
func (c *Compiled) Native() bool {
	return len(c.Leaves) > 0 && !slices.ContainsFunc(c.Leaves, func(l Leaf) bool { return !l.Native })
}

// ForHistograms is the flow's expression once a metric that it selects holds native
// histograms: with leaves that keep them, or else as a batch expression, which says why.
// Labels and ranges stay as they are, so results go on in the same table.
func (f *Flow) ForHistograms() Compiled {
	const holds = "a metric that it selects holds native histograms"
	old := &f.Expr
	if old.Batch || old.Native() {
		return *old
	}
	if f.Session != nil {
		// Histograms are no samples of sessions, but take the place of floats.
		c := *old
		c.Leaves = slices.Clone(c.Leaves)
		c.Leaves[0].Native = true
		return c
	}
	c, _, _, err := f.source(f.PromQL).compileFor(true)
	switch {
	case err != nil: // the same text was compiled before
		return old.Whole(holds)
	case c.Batch:
		return old.Whole(holds + ", and " + c.Why)
	}
	if len(old.Leaves) > 0 && old.Leaves[0].Relabel != nil {
		c = c.relabelledBy(old.Leaves[0].Relabel)
	}
	c.LabelsKnown, c.ResultLabels, c.KeepName, c.FromNothing = old.LabelsKnown, old.ResultLabels, old.KeepName, old.FromNothing
	c.ByGroup = c.ByGroup && f.Limit == 0 // as of floats: to know whether it holds, all results must be known
	if len(f.Previous) > 0 {
		c = f.seesPrevious(c)
	}
	return c
}
