package pressure

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestValve: while memory is above the limit work is ended one at a time, that without bounds
// first and then the oldest, each when the collector has run since; at once where it is far
// above; and none where it is not.
func TestValve(t *testing.T) {
	const limit = 1000 << 20
	for name, c := range map[string]struct {
		memory Memory
		every  time.Duration // in which the collector runs once
		want   []int         // how much of five is ended after 50, 150, ... ms
	}{
		"within":         {Memory{Live: limit / 20 * 17, Taken: limit + limit/16}, time.Millisecond, []int{0, 0, 0}},
		"in use":         {Memory{Live: limit/20*17 + 1, Taken: limit}, time.Millisecond, []int{1, 2, 3, 4, 5, 5}},
		"slow collector": {Memory{Live: limit/20*17 + 1, Taken: limit}, 199 * time.Millisecond, []int{0, 0, 1, 1, 2, 2}},
		"far too much":   {Memory{Live: limit / 2, Taken: limit + limit/16 + 1}, time.Hour, []int{5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				v := newValve(limit, func() Memory {
					m := c.memory
					m.Collected = uint64(1 + time.Since(began)/c.every)
					return m
				})
				works := make([]context.Context, 5)
				for _, i := range []int{1, 2, 0, 3, 4} { // in this order they begin
					ctx, leave := v.Enter(t.Context(), i == 0)
					defer leave()
					works[i] = ctx
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- v.Run(ctx) }()
				time.Sleep(settling / 2)
				for i, want := range c.want {
					for k, work := range works {
						if gone := errors.Is(context.Cause(work), ErrMemory); gone != (k < want) {
							t.Errorf("after %d: work %d is ended: %t, want %d ended", i, k, gone, want)
						}
					}
					if got := v.Ended(); got != int64(want) {
						t.Errorf("%d were ended, want %d", got, want)
					}
					time.Sleep(settling)
				}
				stop()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// TestValveSparesWhatHasJustBegun: what was in use when the collector ran is none of work that
// has begun since.
func TestValveSparesWhatHasJustBegun(t *testing.T) {
	m := Memory{Live: 900, Taken: 1000, Collected: 7}
	v := newValve(1000, func() Memory { return m })
	work, leave := v.Enter(t.Context(), false)
	defer leave()
	now := time.Now()
	if v.look(m, now); work.Err() != nil {
		t.Error("ended for what was in use before it began")
	}
	m.Collected++
	if v.look(m, now); work.Err() == nil {
		t.Error("not ended for what is in use")
	}
}

// TestValveSleeps: nothing is looked at while there is no work, and work that comes later is
// seen.
func TestValveSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		v := newValve(1000, func() Memory { looks.Add(1); return Memory{Taken: 2000} })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		for range 3 {
			before := looks.Load()
			time.Sleep(time.Hour)
			if n := looks.Load() - before; n > 2 {
				t.Fatalf("looked %d times without work", n)
			}
			work, leave := v.Enter(t.Context(), false)
			synctest.Wait()
			if !errors.Is(context.Cause(work), ErrMemory) {
				t.Fatal("work is not ended")
			}
			time.Sleep(time.Second)
			if looks.Load()-before < 100 {
				t.Fatal("memory is not looked at while there is work")
			}
			leave()
		}
		stop()
		<-done
	})
}

// TestValveWithoutLimit: nothing is ended.
func TestValveWithoutLimit(t *testing.T) {
	v := New(0)
	ctx, leave := v.Enter(t.Context(), false)
	if ctx.Err() != nil || len(v.under) != 0 {
		t.Error("work is ended or known")
	}
	leave()
	if m := ofProcess(); m.Live < 0 || m.Taken < 1<<20 {
		t.Errorf("the memory of the process is %+v", m)
	}
}
