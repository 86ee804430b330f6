package main

import (
	"testing"
	"time"
)

func TestVerifyOptionsAreChecked(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, c := range []struct{ from, to, sample, seed string }{
		{"someday", "", "1", ""}, {"", "soon", "1", ""}, {"-1h", "-2h", "1", ""}, {"", "", "200%", ""}, {"", "", "1", "-1"},
	} {
		if _, err := verifyOptions(c.from, c.to, c.sample, c.seed, now); exitCode(err) != exitUsage {
			t.Errorf("%+v: got %v, want a usage error", c, err)
		}
	}
	opts, err := verifyOptions("-1h", "now", "1%", "7", now)
	if err != nil || opts.From != now.UnixMilli()-3_600_000 || opts.To != now.UnixMilli() || opts.Sample != 0.01 || opts.Seed != 7 {
		t.Errorf("got %+v, %v", opts, err)
	}
}
