package flowplan

import "laminar/sequence"

// QuietAfter is how long a flow's newest sample may stay the newest before the
// watermark follows the database's clock, so that windows of quiet sources
// close too.
const QuietAfter int64 = 60_000

// Clock is what the watermark is computed from. It is stored with the flow's
// progress, so a new owner continues with the same watermark.
type Clock struct {
	Newest   sequence.Time // newest sample time seen, capped by the database's clock; or sequence.NoTime
	NewestAt sequence.Time // when it was committed, by the database's clock; or sequence.NoTime
}

// See returns the clock after a sample at time t has been seen, which was committed no
// later than committedAt, by the database's clock. A sender with a fast clock must not
// close windows early, so a time beyond now counts as now.
func (c Clock) See(t, committedAt, now sequence.Time) Clock {
	if t = min(t, now); t > c.Newest {
		c.Newest, c.NewestAt = t, min(committedAt, now)
	}
	return c
}

// Later is the clock that has seen the newer sample: of a flow, or of one that it reads or
// shares its windows with.
func (c Clock) Later(o Clock) Clock {
	if o.Newest > c.Newest {
		return o
	}
	return c
}

// Watermark is the time up to which windows are closed: the newest sample time
// minus delay, or the database's clock minus delay if nothing newer has arrived
// for QuietAfter, or for as long as nobody knows, because the clock was set back by more
// than that. It never falls below before, the watermark of the last round:
// a window that was closed stays closed. Until the first sample it is before.
func (c Clock) Watermark(now sequence.Time, delay int64, before sequence.Time) sequence.Time {
	if c.Newest == sequence.NoTime {
		return before
	}
	w := c.Newest - delay
	if since := now - c.NewestAt; since >= QuietAfter || since < -QuietAfter {
		w = max(w, now-delay)
	}
	return max(w, before, 0)
}

// QuietDeadline is when, by the database's clock, the watermark starts to follow
// that clock: a round must run then even if no sample arrives. It is
// sequence.NoTime before the first sample.
func (c Clock) QuietDeadline() sequence.Time {
	if c.Newest == sequence.NoTime {
		return sequence.NoTime
	}
	return c.NewestAt + QuietAfter
}
