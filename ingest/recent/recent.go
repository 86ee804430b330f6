// Package recent is what has come in of late, for people: how many samples a second, and
// what was refused, with an example and its sender for each reason.
//
// It takes the time from its callers, and belongs to one process: nothing of it is stored.
package recent

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"laminar/ingest/refusal"
)

// The rate is that of whole stretches of time, of which so many are remembered.
const (
	stretch   = 5 * time.Second
	stretches = 12
)

// Recent remembers what has come in. It is safe for use from several goroutines.
type Recent struct {
	since time.Time

	mu      sync.Mutex
	samples [stretches + 1]int64 // by stretch, in a ring
	newest  int64                // number of the newest stretch that is counted, from since on
	refused map[refusal.Reason]*Refused
	leftOut map[int]*LeftOut // by rule
}

// Refused is what was refused for one reason.
type Refused struct {
	Reason  refusal.Reason
	Samples int64  // since the process began
	Example string // the newest; "" where none was kept
	Sender  string // of the example: a login or an address; "" where that is not known
	At      time.Time
}

// LeftOut is what a rule of relabelling has left out.
type LeftOut struct {
	Rule    int    // its number, from 1
	Samples int64  // since the process began
	Example string // the newest series that was met for the first time
	Sender  string // of the example
	At      time.Time
}

// New remembers from a time on.
func New(since time.Time) *Recent {
	return &Recent{since: since, refused: map[refusal.Reason]*Refused{}, leftOut: map[int]*LeftOut{}}
}

// Since is from when on it is remembered.
func (r *Recent) Since() time.Time { return r.since }

// Came notes the end of a request: how many samples of it are durable, and what was refused.
func (r *Recent) Came(now time.Time, sender string, samples int64, out *refusal.Collected, limits refusal.Limits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[r.turn(now)%int64(len(r.samples))] += samples
	for reason, n := range out.Count {
		one := r.refused[reason]
		if one == nil {
			one = &Refused{Reason: reason}
			r.refused[reason] = one
		}
		one.Samples += int64(n)
		if text, ok := out.ExampleOf(reason, limits); ok {
			one.Example, one.Sender, one.At = text, sender, now
		}
	}
}

// LeftOut notes a series that a rule of relabelling leaves out, when it is met for the first
// time.
func (r *Recent) LeftOut(now time.Time, sender string, rule int, example string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.ruleLocked(rule)
	one.Example, one.Sender, one.At = example, sender, now
}

// LeftOutMore notes the end of a request of which a rule of relabelling left out samples.
func (r *Recent) LeftOutMore(rule int, samples int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ruleLocked(rule).Samples += samples
}

func (r *Recent) ruleLocked(rule int) *LeftOut {
	one := r.leftOut[rule]
	if one == nil {
		one = &LeftOut{Rule: rule}
		r.leftOut[rule] = one
	}
	return one
}

// Outside lists what relabelling has left out, by rule.
func (r *Recent) Outside() []LeftOut {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]LeftOut, 0, len(r.leftOut))
	for _, one := range r.leftOut {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b LeftOut) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}

// turn is the number of the stretch that now lies in; stretches that were skipped are empty.
func (r *Recent) turn(now time.Time) int64 {
	n := int64(now.Sub(r.since) / stretch)
	if n <= r.newest {
		return r.newest // clocks of requests that end at once are not in order
	}
	for i := max(r.newest+1, n-stretches); i <= n; i++ {
		r.samples[i%int64(len(r.samples))] = 0
	}
	r.newest = n
	return n
}

// Rate is how many samples a second became durable over the last minute, or since the
// beginning where that is later; without the stretch of 5 s that has not ended.
func (r *Recent) Rate(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.turn(now)
	ended := min(current, stretches)
	var sum int64
	for i := current - ended; i < current; i++ {
		sum += r.samples[i%int64(len(r.samples))]
	}
	return float64(sum) / max(1, float64(ended)*stretch.Seconds())
}

// Refusals lists what was refused, most first.
func (r *Recent) Refusals() []Refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Refused, 0, len(r.refused))
	for _, one := range r.refused {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
