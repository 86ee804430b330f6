package upkeep

import (
	"errors"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a set of due times, in whole seconds. It depends on nothing but
// its text, so that all processes have the same one (U1).
type Schedule struct {
	times cron.Schedule // nil with every
	every int64         // seconds; 0 with times
}

// ParseSchedule reads a schedule: five cron fields, which are in UTC unless
// CRON_TZ=Europe/Berlin or the like stands before them, or @every and a Go
// duration of a second at least. The due times of @every are the multiples of
// the duration since the epoch, not the times at which a process has been
// running for so long.
func ParseSchedule(text string) (Schedule, error) {
	// Only the parser is used: the library's runner has a clock and goroutines
	// of its own.
	times, err := cron.ParseStandard(text)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{times: times}
	if delay, ok := times.(cron.ConstantDelaySchedule); ok {
		s = Schedule{every: int64(delay.Delay / time.Second)}
	}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, errors.New("no such day comes")
	}
	return s, nil
}

// Next is the first due time after t, in UTC; the zero time when none comes within
// five years.
func (s Schedule) Next(t time.Time) time.Time {
	if s.every == 0 {
		// Fields without a time zone of their own are read in that of t.
		return s.times.Next(t.UTC()).UTC()
	}
	past := t.Unix() / s.every // no schedule is asked about times before the epoch
	return time.Unix((past+1)*s.every, 0).UTC()
}
