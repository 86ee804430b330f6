package explain_test

import (
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/explain"
	"laminar/flownode/flowfile"
)

// TestSharing: leaves of one selection and kind of partial are kept together, whatever
// their grouping, range and function; others are not.
func TestSharing(t *testing.T) {
	flows, problems := flowfile.Parse("f.yml", []byte(`
flows:
  - {name: a, promql: 'sum by (job) (rate(m[5m])) / sum(m)', every: 1m}
  - {name: b, promql: 'max(increase(m[1h]))', every: 1m}
  - {name: c, promql: 'sum(rate(m{x="y"}[5m]))', every: 1m}
  - {name: d, promql: 'sum(max_over_time(m[5m]))', every: 1m}
  - {name: e, promql: 'sum(rate(m[5m])) + sum(rate(m[2m]))', every: 1m, trigger: {interval: 10s}}
  - {name: f, promql: 'sum(rate(m[5m])) + sum(rate(m[2m]))', every: 1m}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range [][][]string{
		{{"b", "f"}, {}}, {{"a", "f"}}, {{}}, {{}}, {{}, {}}, {{"a", "b"}, {"a", "b"}},
	} {
		got := explain.Sharing(flows[i], flows)
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: %v, want %v", flows[i].Name, fmt.Sprint(got), want)
		}
	}
}
