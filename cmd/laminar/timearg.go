package main

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// parseTime reads a time as people type it: RFC 3339, `now`, or a duration
// before or after now such as -2h or +10m.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if rest, before := strings.CutPrefix(text, "-"); before {
		if d, err := model.ParseDuration(rest); err == nil {
			return now.Add(-time.Duration(d)), nil
		}
	}
	if rest, after := strings.CutPrefix(text, "+"); after {
		if d, err := model.ParseDuration(rest); err == nil {
			return now.Add(time.Duration(d)), nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, usagef("%q is not a time: want RFC 3339 (2026-01-02T15:04:05Z), now, or -2h", text)
}

// parseDuration reads a duration as Prometheus spells it: 30s, 1h30m, 15d.
func parseDuration(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, usagef("%q is not a duration: want 30s, 1h30m or 15d", text)
	}
	return time.Duration(d), nil
}

// formatDuration spells a duration as parseDuration reads it; what is finer
// than a millisecond is left out.
func formatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + formatDuration(-d)
	}
	return model.Duration(d.Truncate(time.Millisecond)).String()
}

// formatTime spells a time (ms since the epoch) for tables; a time that is not
// known is a dash.
func formatTime(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z")
}
