package pressure

import (
	"context"
	"errors"
	"runtime/metrics"
	"slices"
	"sync"
	"time"
)

// ErrMemory is the cause with which work is ended.
var ErrMemory = errors.New("the process has no memory left for it (memory.limit)")

const (
	// interval is how often the memory is looked at while work is under way: in that time a
	// process takes some 20 MiB.
	interval = 5 * time.Millisecond

	// settling is how long the memory of work that was ended is waited for at least: the work
	// has to notice, and the collector has to run.
	settling = 100 * time.Millisecond
)

// Memory is what a process takes, in bytes.
type Memory struct {
	Live  int64 // that the collector has found in use when it ran last
	Taken int64 // from the system, and not given back

	Collected uint64 // how often the collector has run
}

// Valve bounds the memory of a process by ending work. All methods may be called at the
// same time.
type Valve struct {
	limit  int64 // bytes, 0 for none
	memory func() Memory
	began  chan struct{} // holds a token when there may be work

	mu        sync.Mutex
	under     []*work // the one that began first in front
	lastEnded time.Time
	collected uint64 // how often the collector had run then
	ended     int64
}

// work is something that can be ended.
type work struct {
	end       context.CancelCauseFunc
	unbounded bool
	ended     bool
	collected uint64 // how often the collector had run when it began
}

// New makes a valve for a process that should take so many bytes; 0 for one that ends
// nothing. It does nothing before Run.
func New(limit int64) *Valve { return newValve(limit, ofProcess) }

func newValve(limit int64, memory func() Memory) *Valve {
	return &Valve{limit: limit, memory: memory, began: make(chan struct{}, 1)}
}

// ofProcess is the memory of this process.
func ofProcess() Memory {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return Memory{Live: int64(s[0].Value.Uint64()), Taken: int64(s[1].Value.Uint64() - s[2].Value.Uint64()), Collected: s[3].Value.Uint64()}
}

// Enter begins work, which goes on until leave is called. Where the valve ends it, the
// context is cancelled, and ErrMemory is its cause. Unbounded work, of which nobody can say
// what it will take, is ended before other work.
func (v *Valve) Enter(ctx context.Context, unbounded bool) (within context.Context, leave func()) {
	within, end := context.WithCancelCause(ctx)
	if v.limit <= 0 {
		return within, func() { end(nil) }
	}
	w := &work{end: end, unbounded: unbounded, collected: v.memory().Collected}
	v.mu.Lock()
	v.under = append(v.under, w)
	v.mu.Unlock()
	select {
	case v.began <- struct{}{}:
	default: // Run has not taken the last one yet
	}
	return within, func() {
		v.mu.Lock()
		if i := slices.Index(v.under, w); i >= 0 {
			v.under = slices.Delete(v.under, i, i+1)
		}
		v.mu.Unlock()
		end(nil)
	}
}

// Ended is how much work was ended.
func (v *Valve) Ended() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended
}

// Run looks at the memory while work is under way, until its context ends.
func (v *Valve) Run(ctx context.Context) error {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		ticks.Stop()
		select {
		case <-v.began:
		case <-ctx.Done():
			return ctx.Err()
		}
		ticks.Reset(interval)
		for v.look(v.memory(), time.Now()) {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// look ends work where the memory is above what it may be, and reports whether there is
// some.
//
// What is in use may be 85 % of the limit: above that the collector runs all the time and the
// process does little else. What is taken may be a sixteenth more than the limit, because the
// collector keeps to that only about. Work is ended one at a time, and the next when the
// collector has run since; where memory is taken faster than that, at once.
func (v *Valve) look(m Memory, now time.Time) (some bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	far := m.Taken > v.limit+v.limit/16
	settled := now.Sub(v.lastEnded) >= settling && m.Collected > v.collected
	if far || settled && m.Live > v.limit/20*17 {
		if w := v.next(m, far); w != nil {
			w.ended = true
			w.end(ErrMemory)
			v.ended++
			v.lastEnded, v.collected = now, m.Collected
		}
	}
	return len(v.under) > 0
}

// next is the work to be ended next: that of which it is not known what it takes, and then
// that which began first, since what takes long takes much. What has begun since the collector
// ran has no part in what was in use then. v.mu must be held.
func (v *Valve) next(m Memory, far bool) (next *work) {
	for _, w := range v.under {
		if !w.ended && (far || m.Collected > w.collected) && (next == nil || w.unbounded && !next.unbounded) {
			next = w
		}
	}
	return next
}
