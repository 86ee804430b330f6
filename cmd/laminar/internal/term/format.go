package term

import (
	"fmt"
	"time"

	"laminar/server/view"
)

// FormatBytes spells a size for people, with one decimal.
func FormatBytes(n int64) string {
	for _, u := range view.ByteUnits {
		if u.Size > 1 && n >= u.Size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.Size), u.Name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// FormatSeconds spells a short time with three digits or so.
func FormatSeconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
