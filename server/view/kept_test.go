package view

import (
	"testing"

	"laminar/flownode/flowdef"
)

func TestDescribe(t *testing.T) {
	for expr, want := range map[string]string{
		"sum(rate(m[5m]))":       "sum(rate(m[5m])): kept as counter state in 5 panes of 1m",
		"sum_over_time(m[1m])":   "sum_over_time(m[1m]): kept as simple state in 1 pane of 1m",
		"avg_over_time(m[30d])":  "avg_over_time(m[30d]): kept as simple state in 43200 panes of 1m",
		"avg_over_time(m[100d])": "avg_over_time(m[100d]): computed from raw samples for each window, because 144000 panes of 1m are more than 100000",
		"avg_over_time(m[1h7s])": "avg_over_time(m[1h7s]): computed from raw samples for each window, because 3607 panes of 1s are more than 1000",
	} {
		f, err := flowdef.Flow{Name: "f", Every: 60_000}.Define(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := DescribeFlow(&f)[0]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
