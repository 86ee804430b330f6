package flowdef

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// millis is a duration in milliseconds.
func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }

// formatMillis spells a duration as Prometheus does.
func formatMillis(ms int64) string {
	return model.Duration(time.Duration(ms) * time.Millisecond).String()
}

// formatTime spells a time, ms since the epoch.
func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

func quote(s string) string { return fmt.Sprintf("%q", s) }
