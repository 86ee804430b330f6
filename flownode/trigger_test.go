package flownode

import (
	"testing"
	"time"

	"laminar/flownode/flowdef"
)

// TestCronInUTC: cron fields are in UTC wherever a process runs, or in the time zone
// that the expression names.
func TestCronInUTC(t *testing.T) {
	last := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for expr, want := range map[string]time.Time{
		"0 3 * * *":                          time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC),
		"CRON_TZ=Asia/Kathmandu 0 6 * * *":   time.Date(2026, 3, 2, 0, 15, 0, 0, time.UTC),
		"CRON_TZ=America/New_York 0 3 * * *": time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
	} {
		trig, err := newTrigger(flowdef.Trigger{Cron: expr})
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 9*3600), time.FixedZone("west", -8*3600)} {
			if got := trig.next(last.In(zone)); !got.Equal(want) {
				t.Errorf("%s in a process of %s: %s, want %s", expr, zone, got.UTC(), want)
			}
		}
	}
}
