package ingest

import (
	"context"
	"sync"
	"time"

	"laminar/ingest/registry"
	"laminar/sequence"
)

// buffer holds what waits for a region's next flushes. While one flush commits,
// requests fill the draft of the next: work goes on during the commit, and one
// commit serves all requests that came in the meantime. So the more a database is
// loaded, the more requests share a commit.
//
//	requests --add--> [draft 3] [draft 2] [draft 1] --take--> flusher
//	                   open      full      oldest
//
// Usually there is one draft. There are several when samples come faster than
// commits; the ingester's budget bounds them all.
//
//	drafts[i].number + 1 == drafts[i+1].number, modulo 2^32
//	size() >= full for every draft but the last
//	closed: no draft grows any more
type buffer struct {
	region sequence.Region
	revive func(*registry.Series) *registry.Series
	full   int           // samples at which a draft takes no more batches
	ready  chan struct{} // holds a token when a draft may be waiting

	mu     sync.Mutex
	closed bool
	drafts []*draft // oldest first; batches go to the last
	spare  []*draft
	// opened is the number of the last draft that was opened. It wraps after
	// 2^32 drafts, when no series is remembered that has not been in one of the
	// last 2^31.
	opened uint32
}

func newBuffer(region sequence.Region, full int, revive func(*registry.Series) *registry.Series) *buffer {
	return &buffer{region: region, revive: revive, full: full, ready: make(chan struct{}, 1)}
}

// add puts a batch into the draft of the next flush. It returns false when the
// buffer is closed; the batch is then still the caller's.
func (b *buffer) add(bt *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	var d *draft
	if n := len(b.drafts); n > 0 && b.drafts[n-1].size() < b.full {
		d = b.drafts[n-1]
	} else {
		d = b.openLocked()
	}
	d.add(bt, b.revive)
	b.signal()
	return true
}

func (b *buffer) openLocked() *draft {
	d := new(draft)
	if n := len(b.spare); n > 0 {
		d, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	b.opened++
	d.reset(b.opened)
	b.drafts = append(b.drafts, d)
	return d
}

// signal puts the token there if it is not. One is enough for any number of drafts: who
// takes it looks at all that is waiting.
func (b *buffer) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take hands the oldest draft to the flusher, nil when there is none. It is the
// flusher's from here on; requests that come go to the next.
func (b *buffer) take() *draft {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.drafts) == 0 {
		return nil
	}
	d := b.drafts[0]
	b.drafts = append(b.drafts[:0], b.drafts[1:]...)
	if len(b.drafts) > 0 {
		b.signal()
	}
	return d
}

// linger waits, for d at most, until the oldest draft has enough samples, or until
// no request is missing in it that is likely to come, so that one commit serves
// several requests. A sender that is alone waits for nothing: when its request has
// arrived, none is missing.
func (b *buffer) linger(ctx context.Context, d time.Duration, enough int, traffic *traffic) {
	if d <= 0 {
		return
	}
	began := time.Now()
	var timer *time.Timer
	for {
		b.mu.Lock()
		var rest time.Duration
		if len(b.drafts) > 0 && !b.closed && b.drafts[0].size() < enough && !traffic.complete() {
			rest = d - time.Since(began)
		}
		b.mu.Unlock()
		if rest <= 0 {
			if timer != nil {
				timer.Stop()
			}
			return
		}
		if timer == nil {
			timer = time.NewTimer(rest)
		}
		select {
		case <-timer.C:
			return
		case <-b.ready:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// recycle keeps a flushed draft's memory for the next one, unless it grew far
// beyond the usual.
func (b *buffer) recycle(d *draft) {
	d.reset(0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.spare) < 2 && cap(d.samples) <= 2*b.full {
		b.spare = append(b.spare, d)
	}
}

// close refuses batches from now on. Drafts that are there can still be taken.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.signal()
}

// kill marks those of the given series dead that no draft holds, and returns
// them. A request that looked one up meanwhile finds it dead when it adds its
// samples, and revives it: both happen under the mutex, so a sample is never added
// to a series that is forgotten right after.
func (b *buffer) kill(candidates []*registry.Series) []*registry.Series {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := b.opened + 1 // of what drafts may hold
	if len(b.drafts) > 0 {
		oldest = b.drafts[0].number
	}
	var dead []*registry.Series
	for _, s := range candidates {
		if int32(s.Draft-oldest) < 0 {
			s.Dead = true
			dead = append(dead, s)
		}
	}
	return dead
}
