package promeval_test

import (
	"context"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// TestFromNothing: what has results where no selector finds a sample is known when the
// expression is compiled, at any time of the day.
func TestFromNothing(t *testing.T) {
	eval, yes, no := promeval.New(), 0, 0
	for _, expr := range append(corpus(t),
		"1", "time()", "vector(0.999)", "-vector(1)", "scalar(x)", "minute()", "hour(x)", "hour(vector(time()))", "2 * vector(1)",
		"sum(x) or vector(0)", "vector(0) or sum(x)", "sum(x) and vector(1)", "vector(1) unless sum(x)", "sum(x) unless vector(1)",
		"vector(1) + sum(x)", "vector(1) + vector(2)", "x > bool 1", "x > time()", "time() > bool 5", "absent(x)", "absent_over_time(x[5m])",
		"sum(absent(x))", "count(x) or absent(x) * 0", "max_over_time(vector(1)[5m:1m])", "max_over_time(absent(x)[5m:1m])", "rate(x[5m])",
		"label_replace(vector(1), \"a\", \"b\", \"\", \"\")", "topk(3, x)", "topk(3, vector(1))", "count_values(\"v\", x)", "count_values(\"v\", vector(1))",
		"histogram_quantile(0.9, x)", "clamp(x, 0, 1)", "clamp(vector(5), 0, scalar(x))", "round(vector(1.2))", "info(x)", "absent(sum(x))",
		"group by (a) (x) * on () group_left vector(1)", "day_of_week() == 3 or vector(1)", "timestamp(vector(1))", "quantile(0.5, vector(1))",
		"predict_linear(x[5m], time())", "x @ 1700000000 or vector(1)", "sort(vector(1))", "vector(scalar(x))", "scalar(sum(x)) * y",
	) {
		c, _, err := flowdef.Compile(expr, 60_000)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		got := false
		for _, at := range []int64{1_700_000_000_000, 1_700_030_000_000, 1_700_300_000_000} {
			vec, err := eval.Whole(context.Background(), expr, nil, at)
			got = got || err == nil && len(vec) > 0
			if c.Batch {
				continue
			}
			out, rerr := eval.Residual(context.Background(), c.Residual, make([]promeval.Vector, max(1, len(c.Leaves))), at)
			if err == nil && (rerr != nil || len(out) != len(vec)) {
				t.Errorf("%s: the residual over nothing gives %v (%v), the engine %v", expr, out, rerr, vec)
			}
		}
		if got && !c.FromNothing {
			t.Errorf("%s has results from nothing, and is taken for one that has none", expr)
		}
		if c.FromNothing {
			yes++
		} else {
			no++
		}
		if c.FromNothing && !got && expr != "day_of_week() == 3 or vector(1)" {
			t.Logf("%s is computed in vain without samples", expr)
		}
	}
	if yes < 20 || no < 20 {
		t.Errorf("%d expressions with results from nothing and %d without, want 20 of each at least", yes, no)
	}
}
