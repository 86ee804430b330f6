package main

import (
	"slices"
	"testing"

	"laminar/cmd/fleet"
	"laminar/flownode/flowfile"
)

// TestDemoFlowsSelectWhatTheFleetSends: a sample flow that selects nothing
// would leave its table empty without a word.
func TestDemoFlowsSelectWhatTheFleetSends(t *testing.T) {
	flows, problems := flowfile.Parse("demo.yaml", demoFlows)
	if len(problems) > 0 {
		t.Fatal(problemsError(problems))
	}
	series := fleet.New(fleet.DefaultOptions()).Series()
	for _, f := range flows {
		for i := range f.Expr.Leaves {
			leaf := &f.Expr.Leaves[i]
			if !slices.ContainsFunc(series, func(labels []fleet.Label) bool {
				return leaf.Matches(func(name string) string {
					at := slices.IndexFunc(labels, func(l fleet.Label) bool { return l.Name == name })
					if at < 0 {
						return ""
					}
					return labels[at].Value
				})
			}) {
				t.Errorf("flow %s: %s selects nothing of what the fleet sends", f.Title(), leaf.Text)
			}
		}
	}
}
