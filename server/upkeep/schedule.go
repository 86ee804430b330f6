package upkeep

import (
	"errors"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a set of due times, in whole seconds. It depends on nothing but
// its text, so that all processes have the same one (U1). The two things that
// usually get in otherwise are left out:
//
//   - the time zone of the process. Two containers with different TZ would run
//     "0 3 * * *" at two times and both take it for the night's work;
//   - the start of the process. With "@every 6h" counted from there, a process
//     that is restarted every five hours would never do anything, and two
//     processes would be due at different times.
//
// The zero Schedule is of no use.
type Schedule struct {
	times cron.Schedule // nil with every
	every int64         // seconds; 0 with times
}

// ParseSchedule reads a schedule: five cron fields, which are in UTC unless
// CRON_TZ=Europe/Berlin or the like stands before them, or @every and a Go
// duration of a second at least. The due times of @every are the multiples of
// the duration since the epoch, not the times at which a process has been
// running for so long. A fraction of a second is dropped.
//
// It refuses fields that no day fits, such as 30 February: a task that waits
// for one would look as if it worked.
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
	// Rounded towards zero, which is down: no one asks about times before the
	// epoch.
	past := t.Unix() / s.every
	return time.Unix((past+1)*s.every, 0).UTC()
}
