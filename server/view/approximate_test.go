package view

import (
	"strings"
	"testing"

	"laminar/flownode/flowdef"
)

// TestApproximate: that quantiles are not exact is said to people and programs, and how
// exact sketches are.
func TestApproximate(t *testing.T) {
	f, err := flowdef.Flow{Name: "f", Table: "f", Every: 60_000, Lookback: flowdef.DefaultLookback, Approximate: 0.05}.Define("max by (job) (quantile_over_time(0.9, x[5m]))")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDefinition(f)
	kept := strings.Join(d.Kept, "\n")
	for _, want := range []string{"are approximate", "within 5 %", "schema 4"} {
		if !strings.Contains(kept, want) {
			t.Errorf("it is kept as %q, want %q in it", kept, want)
		}
	}
	if got, want := ModeText(d.Mode, d.Approximate), "incremental, approximate 0.05"; got != want {
		t.Errorf("its mode is %q, want %q", got, want)
	}
}
