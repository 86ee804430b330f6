package flownode

import (
	"context"
	"errors"
	"time"

	"laminar/sequence"
)

// retryAfter is how long a group waits after a round that failed: long enough not
// to flood a database that is starting, short beside what people wait for.
const retryAfter = time.Second

// work works the group until ctx ends. It is the group's one goroutine: everything
// but wake and heads belongs to it, so nothing needs a lock.
func (g *fenceGroup) work(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
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

// idleTurn is how long a group that waits for nothing but a wake waits.
const idleTurn = time.Hour

// turn makes a round if one is due, and says how long until one can be due without a
// wake. When a round ends with work left, the next begins at once, whatever the
// trigger says: a trigger spaces out new work, not what is left of old.
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

// nextRound is when the next round begins: as the trigger says when something
// may have changed, or when time alone brings work. ok is false when there is
// nothing to wait for but a wake.
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
