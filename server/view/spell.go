package view

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"laminar/flownode/flowdef"
	"laminar/sequence"
)

// None stands where there is no time, value or text.
const None = "-"

// FormatTime spells a time, ms since the epoch. A time that is not known
// (sequence.NoTime) is None.
func FormatTime(ms int64) string {
	if ms < 0 {
		return None
	}
	return sequence.FormatTime(ms)
}

// FormatDuration spells a duration as Prometheus does: 30s, 1h30m, 15d. What is
// finer than a millisecond is left out.
func FormatDuration(d time.Duration) string {
	return flowdef.FormatMillis(d.Milliseconds())
}

// ParseDuration reads a duration as FormatDuration spells it.
func ParseDuration(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: want 30s, 1h30m or 15d", text)
	}
	return time.Duration(d), nil
}

// FormatValue spells a value so that it reads back as the same double.
func FormatValue(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// FormatLabels spells labels as a PromQL selector does, sorted by name.
func FormatLabels(set map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		words = append(words, name+"="+strconv.Quote(set[name]))
	}
	return "{" + strings.Join(words, ", ") + "}"
}

// OrNone is the text, or None where it is empty.
func OrNone(text string) string {
	if text == "" {
		return None
	}
	return text
}

// ByteUnits are the units that sizes are spelled in, the largest first.
var ByteUnits = []struct {
	Name string
	Size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
