package flowdef

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// How values are spelled in messages and descriptions.

// millis is a duration in milliseconds. What is shorter than one is cut off;
// PromQL has nothing shorter.
func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }

// FormatMillis spells a duration in milliseconds as Prometheus does: 30s, 1h30m,
// 15d, and -5m, which Prometheus's own library cannot spell.
func FormatMillis(ms int64) string {
	if ms < 0 {
		return "-" + FormatMillis(-ms)
	}
	return model.Duration(time.Duration(ms) * time.Millisecond).String()
}

// FormatCount spells how many there are of something, such as 1 window and 2 windows. one
// is the word for one of them.
func FormatCount[N int | int64](n N, one string) string {
	if n != 1 && one != "series" {
		one += "s"
	}
	return strconv.FormatInt(int64(n), 10) + " " + one
}

// quote puts a text of a definition into double quotes, with what cannot be
// printed escaped.
func quote(s string) string { return fmt.Sprintf("%q", s) }
