package main

import (
	"fmt"
	"time"

	"laminar/server/view"
)

// parseTime reads a time as people type it, relative to now. One that cannot be
// read is a usage error.
func parseTime(text string, now time.Time) (time.Time, error) {
	t, err := view.ParseTime(text, now)
	if err != nil {
		return t, &usageError{err: err}
	}
	return t, nil
}

// reversed says that a span ends before it begins, or is empty.
func reversed(from, to time.Time) error {
	e := &usageError{err: fmt.Errorf("--from %s is not before --to %s", view.FormatTime(from.UnixMilli()), view.FormatTime(to.UnixMilli()))}
	if to.Before(from) {
		e.hint = fmt.Sprintf("--from %s --to %s", view.FormatTime(to.UnixMilli()), view.FormatTime(from.UnixMilli()))
	}
	return e
}

// parseDuration reads a duration as Prometheus spells it. One that cannot be
// read is a usage error.
func parseDuration(text string) (time.Duration, error) {
	d, err := view.ParseDuration(text)
	if err != nil {
		return 0, &usageError{err: err}
	}
	return d, nil
}
