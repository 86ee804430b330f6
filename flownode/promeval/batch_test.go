package promeval_test

import (
	"context"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// TestBatch holds what the compiler says of batch expressions: what they read
// (a window is computed from those samples alone) and which labels they give.
func TestBatch(t *testing.T) {
	e := promeval.New()
	ctx := context.Background()
	fleets := []promeval.Samples{makeSamples(3), makeSamples(4)}
	for _, expr := range expressions(t, "batch.txt") {
		t.Run(expr, func(t *testing.T) {
			c, _, err := flowdef.Compile(expr, minute)
			if err != nil {
				t.Fatal(err)
			}
			if !c.Batch || c.Why == "" || c.Residual != nil || c.ByGroup || c.Mode() != flowdef.ModeBatch {
				t.Errorf("not compiled to a batch expression: %+v", c)
			}
			results := 0
			for _, samples := range fleets {
				for _, at := range evalTimes() {
					want, err := e.Whole(ctx, expr, samples, at)
					if err != nil {
						t.Fatal(err)
					}
					got, err := e.Whole(ctx, expr, read(&c, samples, at), at)
					if err != nil {
						t.Fatal(err)
					}
					results += len(want)
					requireEqual(t, got, want)
					requireLabels(t, &c, got)
				}
			}
			if results == 0 {
				t.Error("no result at any time: the expression proves nothing")
			}
		})
	}
}

// read is the samples that the leaves of a batch expression select in the
// window that ends at a time.
func read(c *flowdef.Compiled, samples promeval.Samples, end int64) promeval.Samples {
	var out promeval.Samples
	for _, s := range samples {
		kept := promeval.Series{Labels: s.Labels}
		for i, t := range s.Times {
			for j := range c.Leaves {
				l := &c.Leaves[j]
				if l.Matches(s.Labels.Get) && l.Reads(t, end) {
					kept.Times, kept.Values = append(kept.Times, t), append(kept.Values, s.Values[i])
					break
				}
			}
		}
		for _, p := range s.Histograms {
			for j := range c.Leaves {
				l := &c.Leaves[j]
				if l.Matches(s.Labels.Get) && l.Reads(p.T, end) {
					kept.Histograms = append(kept.Histograms, p)
					break
				}
			}
		}
		if len(kept.Times)+len(kept.Histograms) > 0 {
			out = append(out, kept)
		}
	}
	return out
}
