package ingest

import (
	"sync/atomic"
	"time"

	"laminar/ingest/refusal"
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
func (c *dbClock) span(l refusal.Limits) refusal.Times {
	r := c.last.Load()
	if r == nil || time.Since(r.at) > observedFor {
		return refusal.AnyTime()
	}
	return refusal.TimesAt(r.now+time.Since(r.at).Milliseconds(), r.earliest, l)
}

// now is the database's clock, as far as it is known, else this machine's; ms since the
// epoch.
func (c *dbClock) now() int64 {
	if r := c.last.Load(); r != nil {
		return r.now + time.Since(r.at).Milliseconds()
	}
	return time.Now().UnixMilli()
}
