package view

import (
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/sqlstore/flowstore"
)

// TestLeftOut: people are told of samples that came too late, and that not all windows which
// lack some are noted one by one, with what is known of these.
func TestLeftOut(t *testing.T) {
	def, err := flowdef.Flow{Name: "f", Every: 60_000, Late: flowdef.LateDrop}.Define("sum(sum_over_time(m[1m]))")
	if err != nil {
		t.Fatal(err)
	}
	f := flowstore.FlowStatus{}
	f.Def = def
	if got := LeftOut(f); got != "no sample came too late so far" {
		t.Errorf("of none: %s", got)
	}
	f.LateSamples, f.LateWindows = 1200, 3
	if got := LeftOut(f); !strings.Contains(got, "came too late, missing now from 3 windows") || strings.Contains(got, "one by one") {
		t.Errorf("of some: %s", got)
	}
	f.LateStretches = sequence.Spans{{After: -60_000, UpTo: 120_000}, {After: 600_000, UpTo: 660_000}}
	if got := LeftOut(f); !strings.HasSuffix(got, " and perhaps from 4 windows more, which end from 1970-01-01T00:00:00Z to 1970-01-01T00:11:00Z: too many to be noted one by one") {
		t.Errorf("of more than are noted: %s", got)
	}
	shown := NewFlow(f).Stretches
	if len(shown) != 2 || shown[0] != (Stretch{"1970-01-01T00:00:00Z", "1970-01-01T00:02:00Z", 3}) || shown[1] != (Stretch{"1970-01-01T00:11:00Z", "1970-01-01T00:11:00Z", 1}) {
		t.Errorf("stretches are shown as %+v", shown)
	}
}
