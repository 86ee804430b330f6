package promeval

import (
	"context"
	"fmt"

	"laminar/flownode/flowdef"
	"laminar/flownode/native"
)

// ByLeaves is WholeRange of a flow that keeps sketches (flowdef.Compiled.Sketches). They
// have a limit of buckets, beyond which they become coarser, and the engine knows none. So
// the leaves are evaluated whole, their histograms made as coarse as sketches are, and the
// residual is evaluated over these. For leaves of other kinds that changes nothing (D1).
func (e *Engine) ByLeaves(ctx context.Context, c *flowdef.Compiled, samples Samples, start, end, step int64) ([]Vector, error) {
	leaves := make([][]Vector, len(c.Leaves))
	for i := range c.Leaves {
		l := &c.Leaves[i]
		var err error
		if leaves[i], err = e.WholeRange(ctx, l.Text, samples, start, end, step); err != nil {
			return nil, err
		}
		if !l.Sketch() {
			continue
		}
		for _, vec := range leaves[i] {
			for j := range vec {
				if vec[j].Histogram != nil {
					vec[j].Histogram = native.Coarser(vec[j].Histogram)
				}
			}
		}
	}
	out := make([]Vector, (end-start)/step+1)
	for n := range out {
		t, at := start+int64(n)*step, make([]Vector, len(leaves))
		for i := range leaves {
			at[i] = leaves[i][n]
		}
		vec, err := e.Residual(ctx, c.Residual, at, t)
		if err != nil {
			return nil, fmt.Errorf("at %d: %w", t, err)
		}
		out[n] = vec
	}
	return out, nil
}
