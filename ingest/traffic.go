package ingest

import (
	"sync/atomic"
	"time"
)

// trafficMemory is how long it is remembered how many requests there were at once,
// at least; at most twice as long.
const trafficMemory = 250 * time.Millisecond

// traffic counts the requests that are under way, for the decision whether a flush
// gains anything by waiting: a sender that waits for its answer sends nothing
// more, one that was answered just now is likely to come again. It is safe for
// use from several goroutines, and only a hint.
//
//	0 <= coming <= inside, but for moments
type traffic struct {
	inside atomic.Int32 // requests that are being read, decoded or wait for their commits
	coming atomic.Int32 // those of them that have not come to the buffers
	most   atomic.Int32 // the most that were inside at once, since turned
	before atomic.Int32 // the same of the stretch of time before
	turned atomic.Int64 // process's clock, ns
}

// enter counts a request that begins.
func (c *traffic) enter() {
	c.coming.Add(1)
	n := c.inside.Add(1)
	for {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			return
		}
	}
}

// arrive says that a request has put into the buffers all that it had, and reports
// whether it was the last that was coming.
func (c *traffic) arrive() (last bool) { return c.coming.Add(-1) == 0 }

// leave says that a request which has arrived ends.
func (c *traffic) leave() { c.inside.Add(-1) }

// complete reports whether as many are here as were at once of late, and none of
// them is still coming.
func (c *traffic) complete() bool {
	return c.coming.Load() <= 0 && c.inside.Load() >= max(c.most.Load(), c.before.Load())
}

// forget forgets what is too long ago at the time now. A flush calls it.
func (c *traffic) forget(now time.Time) {
	last := c.turned.Load()
	if at := now.UnixNano(); at-last >= int64(trafficMemory) && c.turned.CompareAndSwap(last, at) {
		c.before.Store(c.most.Swap(c.inside.Load()))
	}
}
