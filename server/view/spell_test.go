package view

import (
	"testing"
	"time"

	"laminar/flownode/flowdef"
)

func TestDurationsReadBack(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "250ms": 250 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "15d": 15 * 24 * time.Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
		if back, err := ParseDuration(FormatDuration(got)); err != nil || back != got {
			t.Errorf("%q is spelled %q", text, FormatDuration(got))
		}
	}
	if got := flowdef.FormatMillis(-90_000); got != "-1m30s" {
		t.Errorf("-90 s are spelled %q", got)
	}
}

func TestTableName(t *testing.T) {
	for quoted, want := range map[string]string{
		`"flow"."http_requests_rate5m"`: "flow.http_requests_rate5m", `"flow"."Odd"`: `flow."Odd"`, `"flow"."1x"`: `flow."1x"`,
	} {
		if got := TableName(quoted); got != want {
			t.Errorf("%s is spelled %s, want %s", quoted, got, want)
		}
	}
}
