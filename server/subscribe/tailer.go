package subscribe

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"laminar/flownode/changelog"
)

// tailer reads what is new of a set of flows, for all streams that follow it.
type tailer struct {
	hub    *Hub
	set    *set
	ring   *ring
	wake   chan struct{} // holds one token when it is to look
	cancel context.CancelFunc

	streams int // that follow it; guarded by Hub.mu
}

// hint makes the tailer look. It never blocks.
func (t *tailer) hint() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run looks whenever it is woken, until ctx ends or the flows are others.
func (t *tailer) run(ctx context.Context) {
	var reading health
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		switch err := t.look(ctx); {
		case errors.Is(err, errOthers):
			t.hub.forget(t)
			t.ring.close()
			return
		case ctx.Err() == nil:
			// The look of every second finds again that there is something new.
			reading.note(t.hub, "changes of flows cannot be read; it is tried again", err)
		}
	}
}

// health is whether a reading that is done again and again has failed the last time.
type health struct{ failing bool }

// note counts a failure, and warns of the first one.
func (r *health) note(h *Hub, text string, err error) {
	level := slog.LevelWarn
	if r.failing {
		level = slog.LevelDebug
	}
	if r.failing = err != nil; r.failing {
		h.metrics.failed.Inc()
		h.cfg.Log.Log(context.Background(), level, text, "err", err)
	}
}

// look reads what is behind the ring's end and appends it.
func (t *tailer) look(ctx context.Context) error {
	return t.set.within(ctx, t.hub.cfg.Store, func(ctx context.Context, snap Snapshot, stands []changelog.Stand) error {
		from, to := t.ring.end(), cutAt(stands)
		switch {
		case from == nil, !to.reaches(from), pruned(from, stands), from.moved(to) > t.hub.limits.batch.flows:
			t.ring.restart(to)
			return nil
		case slices.Equal(from, to):
			return nil
		}
		var sw sweep
		p, all, err := t.set.page(ctx, snap, stands, &sw, t.set.changesAfter(from, stands), t.hub.limits.batch)
		switch {
		case err != nil:
			return err
		case !all: // too much for the ring
			t.ring.restart(to)
			return nil
		}
		t.ring.add(newBatch(from, p, time.Now()), t.hub.ringShare())
		return nil
	})
}
