package flowdef_test

import (
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
)

// TestTooFineStepsAreRefused, with the numbers; what is merely fine is not.
func TestTooFineStepsAreRefused(t *testing.T) {
	for _, c := range []struct {
		promql, every string
		want          string // part of the problem, "" for none
	}{
		{"sum(rate(j[14d]))", "1ms", "each sample is in 1209600000 of them"},
		{"quantile(0.5, quantile_over_time(0.5, j[14d]))", "1ms", "each sample is in 1209600000 of them"},
		{"sum(rate(j[14d]))", "1s", ""},
		{"sum(rate(j[1h]))", "1ms", ""},
	} {
		flows, problems := flowfile.Parse("t.yaml", []byte("flows:\n  - {name: f, promql: '"+c.promql+"', every: "+c.every+"}\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		problems = flowdef.Validate(flows, nil)
		if got := len(problems) > 0; got != (c.want != "") || got && !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s every %s: %v, want %q", c.promql, c.every, problems, c.want)
		}
	}
}
