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

// learn takes what a flush saw. Every flush of every region calls it; the last one
// counts.
func (c *dbClock) learn(now, earliest int64) {
	c.last.Store(&observation{now: now, earliest: earliest, at: time.Now()})
}

// span is the time samples may have, both ends included. Before the first
// flush nothing is known of the database, and the flush decides.
func (c *dbClock) span(ahead time.Duration) (earliest, latest int64) {
	r := c.last.Load()
	if r == nil {
		return 0, segment.MaxTime
	}
	return max(r.earliest, 0), min(r.now+(time.Since(r.at)+ahead).Milliseconds(), segment.MaxTime)
}
