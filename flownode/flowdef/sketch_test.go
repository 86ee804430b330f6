package flowdef_test

import (
	"slices"
	"testing"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
)

// TestApproximate: what a flow computes instead of exact quantiles is in its expression,
// and that it does so comes back from the catalogue and is said to people.
func TestApproximate(t *testing.T) {
	f, err := flowdef.Flow{Name: "f", Table: "f", Every: 60_000, Lookback: flowdef.DefaultLookback, Approximate: 0.05,
		Trigger: flowdef.Trigger{Interval: 1000}}.Define("max by (job) (quantile_over_time(0.9, x[5m]))")
	if err != nil {
		t.Fatal(err)
	}
	const want = "max by (job) (histogram_quantile(0.9, histogram_over_time(x[5m], 0.05)))"
	if f.PromQL != want || f.Expr.Mode() != flowdef.ModeIncremental || !f.Expr.Leaves[0].Sketch() {
		t.Errorf("the flow is %s, %s", f.PromQL, f.Expr.Mode())
	}
	data, err := defjson.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	back, err := defjson.Unmarshal(data)
	if err != nil || back.PromQL != want || back.Approximate != 0.05 {
		t.Errorf("out of the catalogue it is %s, approximate %v: %v", back.PromQL, back.Approximate, err)
	}
}

// TestSketchesAndHistograms: sketches stay as they are where metrics hold native histograms,
// and the other leaves of their flow are kept for these.
func TestSketchesAndHistograms(t *testing.T) {
	for promql, want := range map[string]struct {
		native bool // from the start
		leaves []string
	}{
		"sum(histogram_over_time(x[5m]))": {true, []string{"sum(histogram_over_time(x[5m]))"}},
		"sum(rate(y[5m])) + histogram_count(sum(histogram_over_time(x[5m])))": {
			false, []string{"rate(y[5m])", "sum(histogram_over_time(x[5m]))"},
		},
	} {
		f, err := flowdef.Flow{Name: "f", Table: "f", Every: 60_000, Lookback: flowdef.DefaultLookback}.Define(promql)
		if err != nil {
			t.Fatal(err)
		}
		c := f.ForHistograms()
		var leaves []string
		for _, l := range c.Leaves {
			leaves = append(leaves, l.Text)
		}
		if f.Expr.Native() != want.native || c.Batch || !c.Native() || !slices.Equal(leaves, want.leaves) {
			t.Errorf("%s: native %v, with histograms batch %v (%s), native %v, leaves %q", promql, f.Expr.Native(), c.Batch, c.Why, c.Native(), leaves)
		}
	}
}
