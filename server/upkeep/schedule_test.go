package upkeep

import (
	"testing"
	"time"
)

// TestDueTimesAreTheSchedulesAlone: whatever zone and fraction of a second a
// process asks with, and whenever it started, the due times are the same.
func TestDueTimesAreTheSchedulesAlone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ schedule, after, want string }{
		{"0 3 * * *", "2026-07-01T02:59:59.5Z", "2026-07-01T03:00:00Z"},
		{"0 3 * * *", "2026-07-01T03:00:00Z", "2026-07-02T03:00:00Z"},
		{"CRON_TZ=Europe/Berlin 0 3 * * *", "2026-07-01T00:30:00Z", "2026-07-01T01:00:00Z"},
		{"@daily", "2026-07-01T02:59:59.5Z", "2026-07-02T00:00:00Z"},
		{"@every 5m", "2026-07-01T03:02:17.25Z", "2026-07-01T03:05:00Z"},
		{"@every 5m", "2026-07-01T03:05:00Z", "2026-07-01T03:10:00Z"},
		{"@every 90s", "1970-01-01T00:02:00Z", "1970-01-01T00:03:00Z"},
		{"@every 1500ms", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"},
	} {
		s, err := ParseSchedule(c.schedule)
		if err != nil {
			t.Errorf("%s: %v", c.schedule, err)
			continue
		}
		after, err := time.Parse(time.RFC3339Nano, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []*time.Location{time.UTC, time.Local, berlin} {
			if got := s.Next(after.In(zone)).Format(time.RFC3339Nano); got != c.want {
				t.Errorf("%s after %s in %s: due at %s, want %s", c.schedule, c.after, zone, got, c.want)
			}
		}
	}
	for _, text := range []string{"", "0 3 * *", "@every", "@every soon", "0 0 30 2 *", "CRON_TZ=Nowhere 0 3 * * *"} {
		if _, err := ParseSchedule(text); err == nil {
			t.Errorf("%q is taken for a schedule", text)
		}
	}
}
