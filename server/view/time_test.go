package view

import (
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	// A quarter past one on the 26th in Berlin, still the 25th in UTC: a day is
	// one of UTC.
	now := time.Date(2026, 11, 26, 0, 15, 30, 5e8, time.FixedZone("CET", 3600))
	for text, want := range map[string]string{
		"now":                            "2026-11-25T23:15:30.5Z",
		"Now":                            "2026-11-25T23:15:30.5Z",
		"today":                          "2026-11-25T00:00:00Z",
		"yesterday":                      "2026-11-24T00:00:00Z",
		"-1h":                            "2026-11-25T22:15:30.5Z",
		"1h":                             "2026-11-25T22:15:30.5Z",
		"1h30m":                          "2026-11-25T21:45:30.5Z",
		"1h ago":                         "2026-11-25T22:15:30.5Z",
		"now-1h":                         "2026-11-25T22:15:30.5Z",
		"now - 1h":                       "2026-11-25T22:15:30.5Z",
		"+10m":                           "2026-11-25T23:25:30.5Z",
		"now+10m":                        "2026-11-25T23:25:30.5Z",
		"15d":                            "2026-11-10T23:15:30.5Z",
		"2026-11-26":                     "2026-11-26T00:00:00Z",
		" 2026-11-26 ":                   "2026-11-26T00:00:00Z",
		"2026-11-26 10:00":               "2026-11-26T10:00:00Z",
		"2026-11-26T10:00":               "2026-11-26T10:00:00Z",
		"2026-11-26 10:00:05":            "2026-11-26T10:00:05Z",
		"2026-11-26 10:00:05.25":         "2026-11-26T10:00:05.25Z",
		"2026-11-26 10:00+01:00":         "2026-11-26T09:00:00Z",
		"2026-11-26 10:00 +01:00":        "2026-11-26T09:00:00Z",
		"2026-11-26 10:00:00+0100":       "2026-11-26T09:00:00Z",
		"2026-11-26T10:00Z":              "2026-11-26T10:00:00Z",
		"2026-11-26t10:00:00Z":           "2026-11-26T10:00:00Z",
		"2026-11-26T10:00:00.123456789Z": "2026-11-26T10:00:00.123456789Z",
		"1795687200":                     "2026-11-26T10:00:00Z",
		"1795687200.5":                   "2026-11-26T10:00:00.5Z",
		"1795687200123":                  "2026-11-26T10:00:00.123Z",
		"100000000":                      "1973-03-03T09:46:40Z",
	} {
		got, err := ParseTime(text, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v (%v), want %s", text, got.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
	for text, want := range map[string]string{
		"": "is not a time", "0": "1970", "5": "5m", "99999999": "1973", "-5": "is not a time", "tomorrow": "is not a time", "2026-13-01": "is not a time",
		"2026-11-26 25:00": "is not a time", "10:00": "is not a time", "26.11.2026": "is not a time", "1e9": "is not a time", "+1795687200": "is not a time",
		"99999999999999999999": "is not a time", "now now": "is not a time", "nowish": "is not a time", "-": "is not a time", "1.2.3": "is not a time", "0x10": "is not a time",
	} {
		if got, err := ParseTime(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v (%v), want an error with %q", text, got, err, want)
		}
	}
}
