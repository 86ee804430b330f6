package main

import (
	"context"
	"time"
)

// rig is a Laminar without peers, on a database of its own, to which scrapes are
// sent.
type rig struct {
	b       *bench
	scrapes scrapes
	next    int64 // scrape
	laminar *laminar
	sender  *sender
	watch   []string // flows that rounds are awaited of; none is all
}

// newRig starts one and stores history scrapes, so that at least ahead more can
// follow before the present.
func (b *bench) newRig(ctx context.Context, name string, series *fleetSeries, history, ahead int64, flags ...string) (_ *rig, err error) {
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(history+ahead) * scrapeInterval).Truncate(time.Minute)
	r := &rig{b: b, scrapes: scrapes{series, start, scrapeInterval}}
	if r.laminar, err = b.newLaminar(ctx, name, "", flags...); err != nil {
		return nil, err
	}
	r.sender = newSender(r.laminar.writeURL(), b.plan.connections)
	for r.next <= history {
		// As many as fit into memory at once.
		n := min(max(1, int64(1_000_000/series.len())), history+1-r.next)
		if err := r.store(ctx, n); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// store sends the next n scrapes.
func (r *rig) store(ctx context.Context, n int64) error {
	l := r.scrapes.prepare(r.next, r.next+n, r.b.plan.connections)
	r.next += n
	_, err := r.sender.send(ctx, l)
	return err
}

// round sends one more scrape and returns how long Laminar worked on it; its
// flows must have a trigger that counts the samples of a scrape.
func (r *rig) round(ctx context.Context) (time.Duration, error) {
	_, before, err := r.laminar.rounds(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.store(ctx, 1); err != nil {
		return 0, err
	}
	if _, err := r.laminar.awaitFlows(ctx, r.watch...); err != nil {
		return 0, err
	}
	return r.laminar.workedSince(ctx, before)
}

// minute sends the scrapes of a minute and returns how long Laminar worked on
// the last of them, which closes a window.
func (r *rig) minute(ctx context.Context) (took time.Duration, err error) {
	for range perMinute {
		if took, err = r.round(ctx); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// close ends the process, whatever state it is in.
func (r *rig) close() {
	r.sender.close()
	r.laminar.kill()
}

// stop ends it in order and removes its data.
func (r *rig) stop(ctx context.Context) error {
	r.sender.close()
	return r.laminar.remove(ctx)
}
