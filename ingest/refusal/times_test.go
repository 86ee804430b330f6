package refusal

import (
	"testing"
	"time"

	"laminar/sequence/segment"
)

// TestTimes: what is refused, and for which reason, at a time of the database's
// clock.
func TestTimes(t *testing.T) {
	const now, day = 1_700_000_000_000, 86_400_000
	limits := Limits{Ahead: 10 * time.Minute, Age: 90 * 24 * time.Hour}
	for _, c := range []struct {
		given, t int64
		want     Reason // "" for none
	}{
		{0, now, ""},
		{0, now - 90*day, ""},
		{0, now - 90*day - 1, TooFarBehind},
		{0, 1, TooFarBehind}, // a device without a clock
		{now - 15*day, now - 15*day, ""},
		{now - 15*day, now - 15*day - 1, TooOld},
		{now + day, now, TooOld}, // the clock was ahead once
		{0, now + 600_000, ""},
		{0, now + 600_001, TooFarAhead},
		{0, -1, TimeRange},
		{0, segment.MaxTime + 1, TimeRange},
	} {
		b := TimesAt(now, c.given, limits)
		var got Reason
		if !b.Hold(c.t) {
			got = b.Reason(c.t)
		}
		if got != c.want {
			t.Errorf("given up before %d, sample at %d: refused for %q, want %q", c.given, c.t, got, c.want)
		}
	}
	limits.Age = 0
	if b := TimesAt(now, 0, limits); !b.Hold(1) {
		t.Error("without a limit of age a sample of 1970 is refused")
	}
}
