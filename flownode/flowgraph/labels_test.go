package flowgraph_test

import (
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowgraph"
)

// labelsOf is the labels of a flow as text.
func labelsOf(f *flowdef.Flow) string {
	names, ok := f.Labels()
	if !ok {
		return "open"
	}
	return fmt.Sprint(names)
}

// TestWithLabels: labels go through flows over flows as through one expression, in any order
// of files, and stay open where a rule of a record leaves them open.
func TestWithLabels(t *testing.T) {
	all, problems := flowfile.Read([]flowfile.Source{{File: "g.yml", Data: []byte(`
groups:
- name: above
  rules:
  - {record: double, expr: '2 * r'}                              # [a b team]
  - {record: rest, expr: 'sum without (a) (double)'}             # [b team]
  - {record: range, expr: 'max_over_time(double[5m]) > 0'}       # [a b team]
  - {record: sub, expr: 'max_over_time((r > 1)[10m:1m])'}        # [a b team]
  - {record: quantile, expr: 'quantile_over_time(0.9, r{a="x"}[5m])'} # [a b team]
  - {record: renamed, expr: 'label_replace(rest, "c", "$1", "b", "(.*)")'} # [b c team]
  - {record: join, expr: 'rest * on (team) group_left (a) double'} # [a b team]
  - {record: either, expr: 'rest or mixed'}                      # [b c team]
  - {record: raw, expr: '2 * x'}                                 # open
  - {record: over_raw, expr: 'r + on () group_right raw'}        # open
  - {record: both, expr: 'avg_over_time({__name__=~"r|rest"}[5m])'} # open
  - {record: open_rule, expr: '2 * some'}                        # open
  - {record: own, expr: 'r or own offset 1m'}                    # open
  - {record: late, expr: 'behind + 1'}                           # [a]
  - {record: behind, expr: 'sum by (a) (x)'}                     # [a]
  - {alert: firing, expr: 'double > 1'}                          # [a b team]
- name: below
  rules:
  - {record: r, expr: 'sum by (a, b) (x)', labels: {team: web}}  # [a b team]
  - {record: mixed, expr: 'sum by (b) (x)'}                      # [b]
  - {record: mixed, expr: 'sum by (c) (x)'}                      # [c]
  - {record: some, expr: 'sum by (c) (x)'}                       # [c]
  - {record: some, expr: 'abs(x)'}                               # open
`)}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []string{"[a b team]", "[b team]", "[a b team]", "[a b team]", "[a b team]", "[b c team]", "[a b team]", "[b c team]", "open", "open",
		"open", "open", "open", "[a]", "[a]", "[a b team]", "[a b team]", "[b]", "[c]", "[c]", "open"}
	for i := range all.Flows {
		f := &all.Flows[i]
		if got := labelsOf(f); got != want[i] {
			t.Errorf("%s: %s has %s, want %s", f.Title(), f.PromQL, got, want[i])
		}
		// It comes back from the catalogue as it is, and the hash is that of the text.
		data, err := defjson.Marshal(*f)
		if err != nil {
			t.Fatal(err)
		}
		back, err := defjson.Unmarshal(data)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := f.Over(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := defjson.Hash(*f)
		if p, _ := defjson.Hash(plain); labelsOf(&back) != want[i] || p != h {
			t.Errorf("%s comes back with %s, and the hash of the text is the same: %v", f.Title(), labelsOf(&back), p == h)
		}
	}
}

// TestStaleLabels: of flows whose tables are there, those are named whose record has labels
// that it had not.
func TestStaleLabels(t *testing.T) {
	read := func(r string) []flowdef.Flow {
		all, problems := flowfile.Read([]flowfile.Source{{File: "g.yml", Data: []byte("groups:\n- name: g\n  rules:\n" + r +
			"  - {record: double, expr: '2 * r'}\n  - {record: most, expr: 'max by (a) (double)'}\n  - {record: again, expr: 'double + 1'}\n")}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return all.Flows
	}
	before := read("  - {record: r, expr: 'sum by (a, b) (x)'}\n")
	for rule, want := range map[string][]int{
		"  - {record: r, expr: 'sum by (a, b) (y)'}\n":    nil,
		"  - {record: r, expr: 'sum by (a) (x)'}\n":       nil, // b is an empty column
		"  - {record: r, expr: 'sum by (a, b, c) (x)'}\n": {1},
		"  - {record: r, expr: '3 * x'}\n":                {1},
		"  - {record: q, expr: 'sum by (a, b) (x)'}\n":    {1},
	} {
		now := append(read(rule)[:1:1], before[1:]...)
		out, stale, err := flowgraph.WithLabels(now, func(i int) bool { return i > 0 })
		if err != nil || !slices.Equal(stale, want) {
			t.Errorf("%s: %v are stale, want %v (%v)", rule, stale, want, err)
		}
		for i := range out {
			if i > 0 && labelsOf(&out[i]) != labelsOf(&before[i]) {
				t.Errorf("%s: the labels of %s change", rule, out[i].Name)
			}
		}
		// What is named is made anew; then perhaps others are named.
		_, stale, err = flowgraph.WithLabels(now, func(i int) bool { return i > 1 })
		if err != nil || slices.Contains(stale, 3) != (len(want) > 0) {
			t.Errorf("%s: with the second made anew %v are stale (%v)", rule, stale, err)
		}
	}
}
