package ingest

import (
	"sync/atomic"
	"time"

	"laminar/sequence/segment"
)

// dbClock estimates the database's clock between flushes, and remembers what
// retention has given up. The estimate goes by the monotonic clock, so setting
// the local clock does not move it.
type dbClock struct {
	last atomic.Pointer[observation]
}

// observation is what one flush saw of the database's clock.
type observation struct {
	now      int64 // the database's clock, ms since the epoch
	earliest int64 // samples before it (ms) have been given up
	at       time.Time
}

// observedFor is how long an observation is good for. Where nothing is flushed because
// all of it would be refused, what the database says must still be heard of: its clock
// may be set right, and what was given up may be taken back.
const observedFor = 10 * time.Second

// learn takes what a flush saw. Every flush of every region calls it; the last one
// counts.
func (c *dbClock) learn(now, earliest int64) {
	c.last.Store(&observation{now: now, earliest: earliest, at: time.Now()})
}

// span is the time samples may have, both ends included. Before the first flush, and
// when the last one is long ago, nothing is known of the database, and the flush
// decides.
func (c *dbClock) span(l Limits) timeBounds {
	r := c.last.Load()
	if r == nil || time.Since(r.at) > observedFor {
		return timeBounds{latest: segment.MaxTime}
	}
	return boundsAt(r.now+time.Since(r.at).Milliseconds(), r.earliest, l)
}

// timeBounds is the time that samples may have, ms since the epoch.
type timeBounds struct {
	given    int64 // samples before it have been given up
	earliest int64 // not before given, and not too far behind the database's clock
	latest   int64 // included
}

// boundsAt is what holds at a time of the database's clock, when samples before given
// are given up.
func boundsAt(now, given int64, l Limits) timeBounds {
	b := timeBounds{given: max(given, 0), latest: min(now+l.Ahead.Milliseconds(), segment.MaxTime)}
	b.earliest = b.given
	if l.Age > 0 {
		b.earliest = max(b.given, now-l.Age.Milliseconds())
	}
	return b
}

// hold reports whether a sample may have the time.
func (b timeBounds) hold(t int64) bool { return b.earliest <= t && t <= b.latest }

// reason is why a time is refused that does not hold.
func (b timeBounds) reason(t int64) Reason {
	switch {
	case t < 0 || t > segment.MaxTime:
		return TimeRange
	case t > b.latest:
		return TooFarAhead
	case t < b.given:
		return TooOld
	}
	return TooFarBehind
}
