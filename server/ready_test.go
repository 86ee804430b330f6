package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestReadyProbes: however many ask whether writes succeed, and however they leave, the
// database is asked once in freshFor, whatever it says.
func TestReadyProbes(t *testing.T) {
	for name, outcome := range map[string]error{
		"writes succeed":  nil,
		"no database":     sequence.ErrUnavailable,
		"another failure": errors.New("permission denied"),
	} {
		now, probes := time.Now(), 0
		r := &readiness{now: func() time.Time { return now }, probe: func(ctx context.Context) error {
			probes++
			if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
				t.Errorf("%s: the probe ends with who asks, or never", name)
			}
			return outcome
		}}
		gone, leave := context.WithCancel(t.Context())
		leave()
		for turn := 1; turn <= 3; turn++ {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if err := r.check(gone); !errors.Is(err, outcome) {
						t.Errorf("%s: got %v", name, err)
					}
				})
			}
			all.Wait()
			if probes != turn {
				t.Errorf("%s: %d probes in %d times of freshFor", name, probes, turn)
			}
			now = now.Add(freshFor)
		}
	}
}

// flushes is a store whose flushes end as the test says.
type flushes struct {
	ingest.FlushTx
	err error
}

func (f flushes) Commit(context.Context, []segment.Segment) error { return f.err }
func (f flushes) Rollback(context.Context) error                  { return nil }

// TestReadyByFlushes: what a flush has met counts where a probe meets nothing: one that
// the database has refused for a while, one that hangs until it has ended. What speaks
// against the content, or of a caller who has left, says nothing.
func TestReadyByFlushes(t *testing.T) {
	now := time.Now()
	r := &readiness{now: func() time.Time { return now }, probe: func(context.Context) error { return nil }}
	begin := func(outcome error) *watchedFlush {
		f := &watchedFlush{flushes{err: outcome}, r}
		r.begin(f)
		return f
	}
	commit := func(outcome error) {
		_ = begin(outcome).Commit(t.Context(), nil) // it is known
	}
	ready := func(want bool, when string) {
		t.Helper()
		if err := r.check(t.Context()); (err == nil) != want {
			t.Errorf("%s: %v", when, err)
		}
	}
	refusal := errors.New("permission denied")
	commit(refusal)
	ready(false, "refused")
	now = now.Add(freshFor)
	ready(false, "refused, and a probe says nothing")
	commit(nil)
	ready(true, "refused and then taken")
	commit(refusal)
	now = now.Add(refusedFor)
	ready(true, "refused long ago")
	for _, err := range []error{sequence.ErrBadContent, sequence.ErrMetricGone, sequence.ErrHistoryChanged, context.Canceled} {
		commit(fmt.Errorf("commit: %w", err))
		ready(true, err.Error())
	}
	hanging := begin(nil)
	now = now.Add(hungAfter - 1)
	commit(nil)
	ready(true, "it takes its time")
	now = now.Add(1)
	commit(nil)
	ready(false, "it hangs, and others do not")
	if err := hanging.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(true, "it has ended")
	if len(r.underWay) > 0 {
		t.Errorf("%d flushes are under way, want none", len(r.underWay))
	}
}
