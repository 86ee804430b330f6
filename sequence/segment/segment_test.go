package segment

import (
	"testing"
	"time"
)

// TestMaxTime: the last time of a sample is the last millisecond of 9999.
func TestMaxTime(t *testing.T) {
	if want := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1; MaxTime != want {
		t.Errorf("MaxTime is %d, want %d", MaxTime, want)
	}
}
