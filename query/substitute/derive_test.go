package substitute_test

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/query/substitute"
)

// TestDerive: what can be derived from a flow's rows, and what cannot.
func TestDerive(t *testing.T) {
	for _, tc := range []struct{ flow, expr, want string }{
		// Larger groups.
		{"sum by (a, b) (rate(m[5m]))", "sum by (b) (rate(m[5m]))", "sum again"},
		{"sum by (a, b) (rate(m[5m]))", "sum(rate(m[5m]))", "sum again"},
		{"min by (a, b) (m)", "min by (a) (m)", "min again"},
		{"max by (a, b) (m)", "max by (a) (m)", "max again"},
		{"count by (a, b) (m)", "count by (a) (m)", "sum again"},
		{"group by (a, b) (m)", "group by (a) (m)", "group again"},
		{"avg by (a, b) (m)", "avg by (a) (m)", ""},
		{"stddev by (a, b) (m)", "stddev(m)", ""},
		{"sum by (a) (m)", "sum by (a, b) (m)", ""},
		{"sum by (a) (m)", "max by (a) (m)", ""},
		{"sum by (a) (m)", "sum without (b) (m)", ""},
		{"sum without (a) (m)", "sum without (a, b) (m)", "sum again"},
		{"sum without (a, b) (m)", "sum without (a) (m)", ""},
		{"sum without (a) (m)", "sum by (b, c) (m)", "sum again"},
		{"sum without (a) (m)", "sum by (a, b) (m)", ""},
		{"sum by (a, b) (m)", "sum by (b, a) (m)", "rows"},
		// Fewer series.
		{"sum by (a) (m)", `sum by (a) (m{a="1"})`, `rows [a="1"]`},
		{"sum by (a, b) (m)", `sum by (a) (m{b=~"1|2"})`, `sum again [b=~"1|2"]`},
		{"avg by (a) (m)", `avg by (a) (m{a!="1"})`, `rows [a!="1"]`},
		{"sum by (a) (m)", `sum by (a) (m{b="1"})`, ""},
		{`sum by (a) (m{b="1"})`, `sum by (a) (m{a="2",b="1"})`, `rows [a="2"]`},
		{`sum by (a) (m{b="1"})`, `sum by (a) (m{a="2"})`, ""},
		{`sum by (a) (m{b="1"})`, `sum by (a) (m{b="2"})`, ""},
		{"sum without (a) (m)", `sum without (a) (m{b="1"})`, `rows [b="1"]`},
		{"sum without (a) (m)", `sum without (a) (m{a="1"})`, ""},
		{"rate(m[5m])", `rate(m{a="1"}[5m])`, `rows [a="1"]`},
		{"rate(m[5m])", `rate(m{__type__="counter"}[5m])`, ""},
		{"sum by (a) (x)", `sum by (a) (y)`, ""},
		{"sum by (a) (rate(m[5m]))", `sum by (a) (rate(m[10m]))`, ""},
		{"sum by (a) (rate(m[5m]))", `sum by (a) (rate(m{a="1"}[5m] offset 1m))`, ""},
		{"sum by (a) (rate(m[5m]))", "rate(m[5m])", ""},
		{"sum by (a) (abs(m) * 2)", `sum (abs(m{a="1"}) * 2)`, `sum again [a="1"]`},
		// Of more than one selector nothing is known.
		{"sum by (a) (x / y)", `sum(x / y)`, ""},
		{"sum by (a) (sum by (a, b) (x))", `sum(sum by (a, b) (x))`, ""},
		{`sum by (a) (label_replace(x, "a", "1", "", ""))`, `sum by (a) (label_replace(x{a="1"}, "a", "1", "", ""))`, ""},
		{"topk by (a) (3, x)", `topk by (a) (3, x{a="1"})`, ""},
		{"sum by (a, __name__) (m)", "sum by (a) (m)", ""},
	} {
		got := ""
		if e, f := substitute.ShapeOf(parse(t, tc.expr)), substitute.ShapeOf(parse(t, tc.flow)); e != nil && f != nil {
			if d, ok := substitute.Derive(e, f); ok {
				got = "rows"
				if d.Again {
					got = d.As.String() + " again"
				}
				if len(d.Only) > 0 {
					got += fmt.Sprint(" ", d.Only)
				}
			}
		}
		if got != tc.want {
			t.Errorf("%s from %s: %q, want %q", tc.expr, tc.flow, got, tc.want)
		}
	}
}

// TestAround: the text around what is aggregated makes the aggregation.
func TestAround(t *testing.T) {
	for _, text := range []string{"sum(x)", "sum by (b, a) (x)", `count without ("a.b") (x)`, "min by () (x)", "MAX without () (x)"} {
		shape := substitute.ShapeOf(parse(t, text))
		before, behind := shape.Around()
		if got := before + "x" + behind; !substitute.Same(parse(t, text), parse(t, got), nil) || len(before) > len("count(") {
			t.Errorf("%s is %s", text, got)
		}
	}
}

// TestWorth: rows of an aggregation are always worth reading, those of single series where
// they save more samples than they cost.
func TestWorth(t *testing.T) {
	const minute, hour = int64(60_000), int64(3_600_000)
	for _, tc := range []struct {
		promql string
		at     substitute.Times
		want   bool
	}{
		{"sum by (a) (rate(m[1m]))", substitute.Times{Step: minute, N: 60}, true},
		{"topk(3, rate(m[5m]))", substitute.Times{Step: minute, N: 60}, false},
		{"rate(m[5m])", substitute.Times{Step: minute, N: 60}, false},
		{"rate(m[5m])", substitute.Times{Step: hour, N: 60}, true},
		{"max_over_time(m[1d])", substitute.Times{Step: minute, N: 60}, true},
		{"max_over_time(m[1m])", substitute.Times{N: 1}, false},
		{"max_over_time(m[1h])", substitute.Times{N: 1}, true},
	} {
		f := flowdef.Flow{Name: "f", Table: "f", Every: minute, Lookback: flowdef.DefaultLookback}
		f, err := f.Define(tc.promql)
		if err != nil {
			t.Fatal(err)
		}
		d, why := substitute.Define(&f)
		if d == nil {
			t.Fatalf("%s: %s", tc.promql, why)
		}
		if got := d.Worth(tc.at, f.Expr.MaxReach); got != tc.want {
			t.Errorf("%s at %+v: %t", tc.promql, tc.at, got)
		}
	}
}
