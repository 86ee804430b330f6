package flownode

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"laminar/flownode/flowdef"
)

// trigger says when a fence group's next round may begin. All flows of a fence
// group have the same trigger: flows with another trigger are in another fence
// group (flowdef). The zero trigger lets a round begin every pollEvery.
//
//	cron                  at its times, whether anything changed or not
//	interval              when something changed, so long after the last round began
//	samples, sequences    looked at every second; the round's snapshot then tells
//	                      whether enough are pending (fenceGroup.due), per group by
//	                      reading what is (pending)
type trigger struct {
	def  flowdef.Trigger
	cron cron.Schedule // nil without a cron expression
}

func newTrigger(def flowdef.Trigger) (trigger, error) {
	t := trigger{def: def}
	if def.Cron != "" {
		var err error
		// Only the parser is used: the library's runner has a clock and
		// goroutines of its own.
		if t.cron, err = cron.ParseStandard(def.Cron); err != nil {
			return t, fmt.Errorf("trigger: cron %q: %w", def.Cron, err)
		}
	}
	return t, nil
}

// or is a trigger that is due whenever one of the two is, or sooner. One that is due at
// times of its own is no sooner for an interval that is longer than pollEvery.
func (t trigger) or(o trigger) trigger {
	switch interval, other := t.def.Interval, o.def.Interval; {
	case t.def == o.def:
		return t
	case interval > 0 && (interval <= other || other == 0 && interval <= pollEvery.Milliseconds()):
		return t
	case other > 0 && (other <= interval || interval == 0 && other <= pollEvery.Milliseconds()):
		return o
	default:
		return trigger{} // every pollEvery
	}
}

// pollEvery is how often triggers that count samples or sequences look.
const pollEvery = time.Second

// next is the earliest time of the next round, given when the last one began, both
// by this process's clock. Cron fields are in UTC, as those of schedules are, unless
// the expression names a time zone (CRON_TZ=). The zero time gives a time long past for all but cron.
func (t trigger) next(last time.Time) time.Time {
	switch {
	case t.cron != nil:
		return t.cron.Next(last.UTC())
	case t.def.Interval > 0:
		return last.Add(time.Duration(t.def.Interval) * time.Millisecond)
	default:
		return last.Add(pollEvery)
	}
}

// counts reports whether the trigger counts what is pending.
func (t trigger) counts() bool {
	return t.cron == nil && (t.def.Samples > 0 || t.def.Sequences > 0)
}
