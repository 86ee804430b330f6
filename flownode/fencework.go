package flownode

// When a fence group makes its rounds.
// Before: the group's goroutine has started; it knows no flows until heads come.
// After: it has returned because its context ended, between two rounds or inside
// one. Nothing has to be cleaned up then: an unfinished round stores nothing.
//
// Three things make a round possible: something may have changed (pending, set by a
// wake), a flow's deadline, or a cron time. The trigger says how soon; a round that
// has failed is made again after retryAfter, whatever the trigger says. A wake
// without news costs one round that finds nothing, so groups are woken generously.

import (
	"context"
	"errors"
	"time"

	"laminar/sequence"
)

// work works the group until ctx ends. It is the group's one goroutine: everything
// but wake, heads and looks belongs to it, so nothing needs a lock.
func (g *fenceGroup) work(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case look := <-g.looks:
			look()
			continue // nothing has changed, and the timer goes on
		case heads := <-g.heads:
			g.adopt(heads)
		case <-g.wake:
			g.pending = true
		case <-timer.C:
		}
		wait := g.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		timer.Reset(wait)
	}
}

// idleTurn is how long a group that waits for nothing but a wake waits. When it is over,
// the group looks again and finds nothing: it is a bound for the timer and no deadline.
const idleTurn = time.Hour

// turn makes a round if one is due, and returns how long until one can be due
// without a wake; 0 if one may be due now. When a round ends with work left, the
// next begins at once, whatever the trigger says: a trigger spaces out new work, not
// the rest of old work.
func (g *fenceGroup) turn(ctx context.Context) (wait time.Duration) {
	now := g.cfg.Now()
	at, ok := g.nextRound(g.last, g.pending, now)
	if !ok {
		return idleTurn
	}
	if wait := at.Sub(now); wait > 0 {
		return wait
	}
	g.last, g.pending, g.retryAt = now, false, time.Time{}
	more, err := g.round(ctx)
	if err != nil && ctx.Err() == nil {
		g.roundFailed(err)
	}
	g.report(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		level := g.log.Error
		if errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrSnapshotGone) {
			level = g.log.Warn
		}
		level("round failed; the flows are loaded again", "group", g.name, "err", err)
		g.metrics.roundErrors.WithLabelValues(g.name).Inc()
		g.pending = true
		g.retryAt = g.cfg.Now().Add(retryAfter) // whatever the trigger says: what failed is overdue
		return retryAfter
	case more:
		g.pending, g.last = true, time.Time{}
	}
	return 0
}

// nextRound is when the next round begins, by this process's clock; it may be past.
// If something may have changed, the trigger alone decides. Otherwise it is the
// first deadline of a flow, but not before the trigger allows. With cron, rounds
// begin at its times only, whether anything changed or not. ok is false when there
// is nothing to wait for but a wake.
//
// Deadlines are of the database's clock, and skew translates them. It is as old as
// the last round, which matters little: clocks drift slowly, and a round that is too
// early finds nothing and asks again.
func (g *fenceGroup) nextRound(last time.Time, pending bool, now time.Time) (at time.Time, ok bool) {
	if len(g.flows) == 0 {
		return time.Time{}, false
	}
	if !g.retryAt.IsZero() {
		return g.retryAt, true
	}
	if g.trigger.cron != nil {
		if last.IsZero() {
			return now, true // the first round loads the flows
		}
		return g.trigger.next(last), true
	}
	if pending {
		return g.trigger.next(last), true
	}
	earliest := sequence.NoTime
	for _, f := range g.flows {
		if d := f.deadline(); d != sequence.NoTime && (earliest == sequence.NoTime || d < earliest) {
			earliest = d
		}
	}
	if earliest == sequence.NoTime {
		return time.Time{}, false
	}
	at = time.UnixMilli(earliest).Add(-g.skew)
	if soonest := g.trigger.next(last); at.Before(soonest) {
		at = soonest
	}
	return at, true
}
