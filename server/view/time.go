package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// TimeForms lists the times that ParseTime reads, for help texts.
const TimeForms = "A time T is a date (2026-11-26), a date and time (2026-11-26 10:00, 2026-11-26T10:00:05Z),\n" +
	"seconds since the epoch (1795687200), now, today or yesterday (their beginning), a time\n" +
	"ago (-2h, 2h, now-2h) or ahead (+10m, now+10m). Without a zone (Z, +01:00) it is in UTC,\n" +
	"as all times that Laminar prints."

// layouts are the spellings of a date and time without a zone; each may have
// one behind it, and a T or a space in the middle.
var layouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"}

// Seconds since the epoch have nine digits from 1973 on, and milliseconds have
// twelve. A shorter number is a duration whose unit is missing.
const (
	leastSeconds = 1e8
	leastMillis  = 1e11
)

// ParseTime reads a time as people type it; see TimeForms. What has no zone is
// in UTC.
func ParseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	utc := now.UTC()
	midnight := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC)
	switch strings.ToLower(text) {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if t, found := relative(text, now); found {
		return t, nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.") == "" {
		switch {
		case n >= leastMillis && n < 1e15:
			return time.UnixMilli(int64(n)).UTC(), nil
		case n >= leastSeconds && n < leastMillis:
			return time.UnixMilli(int64(n * 1000)).UTC(), nil
		}
		return time.Time{}, fmt.Errorf("%q is not a time: as seconds since the epoch it would be in %d; for a time ago add a unit, such as %sm",
			text, time.Unix(int64(min(n, 1e11)), 0).UTC().Year(), text)
	}
	if t, found := absolute(text); found {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: want 2026-11-26, 2026-11-26 10:00, 2026-11-26T10:00:00Z, -2h, now, today, yesterday, or seconds since the epoch", text)
}

// relative reads a time before or after now.
func relative(text string, now time.Time) (time.Time, bool) {
	rest, _ := strings.CutPrefix(text, "now")
	rest, ago := strings.CutSuffix(strings.TrimSpace(rest), " ago")
	sign := time.Duration(-1)
	switch {
	case ago:
	case strings.HasPrefix(rest, "-"):
		rest = rest[1:]
	case strings.HasPrefix(rest, "+"):
		rest, sign = rest[1:], 1
	}
	d, err := model.ParseDuration(strings.TrimSpace(rest))
	if err != nil || rest == "0" { // Prometheus reads 0 as a duration without a unit
		return time.Time{}, false
	}
	return now.Add(sign * time.Duration(d)), true
}

// absolute reads a date, with or without a time of day, with or without a zone.
func absolute(text string) (time.Time, bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + strings.TrimSpace(text[11:])
	}
	if len(text) > 10 && text[10] == 't' {
		text = text[:10] + "T" + text[11:]
	}
	text = strings.Replace(text, " ", "", 1) // before the zone
	for _, layout := range layouts {
		for _, zone := range []string{"", "Z07:00", "Z0700"} {
			if t, err := time.Parse(layout+zone, text); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}
