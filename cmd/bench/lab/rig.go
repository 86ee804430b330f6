package lab

import (
	"context"
	"time"
)

// Rig is a Laminar without peers, on a database of its own, to which scrapes are
// sent.
type Rig struct {
	Scrapes Scrapes
	Next    int64 // scrape
	Laminar *Laminar
	sender  *Sender
	Watch   []string // flows that rounds are awaited of; none is all
}

// NewRig starts one and stores history scrapes, so that at least ahead more can
// follow before the present.
func (l *Lab) NewRig(ctx context.Context, name string, series *FleetSeries, history, ahead int64, flags ...string) (_ *Rig, err error) {
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(history+ahead) * ScrapeInterval).Truncate(time.Minute)
	r := &Rig{Scrapes: Scrapes{series, start, ScrapeInterval}}
	if r.Laminar, err = l.NewLaminar(ctx, name, "", flags...); err != nil {
		return nil, err
	}
	r.sender = NewSender(r.Laminar.WriteURL(), Connections)
	for r.Next <= history {
		// As many as fit into memory at once.
		n := min(max(1, int64(1_000_000/series.Len())), history+1-r.Next)
		if err := r.Store(ctx, n); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Store sends the next n scrapes.
func (r *Rig) Store(ctx context.Context, n int64) error {
	scrapes := r.Scrapes.Prepare(r.Next, r.Next+n, Connections)
	r.Next += n
	_, err := r.sender.Send(ctx, scrapes)
	return err
}

// Round sends one more scrape and returns how long Laminar worked on it; its
// flows must have a trigger that counts the samples of a scrape.
func (r *Rig) Round(ctx context.Context) (time.Duration, error) {
	_, before, err := r.Laminar.Rounds(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.Store(ctx, 1); err != nil {
		return 0, err
	}
	if _, err := r.Laminar.AwaitFlows(ctx, r.Watch...); err != nil {
		return 0, err
	}
	return r.Laminar.WorkedSince(ctx, before)
}

// Minute sends the scrapes of a minute and returns how long Laminar worked on
// the last of them, which closes a window.
func (r *Rig) Minute(ctx context.Context) (took time.Duration, err error) {
	for range PerMinute {
		if took, err = r.Round(ctx); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// Close ends the process, whatever state it is in.
func (r *Rig) Close() {
	r.sender.Close()
	r.Laminar.Kill()
}

// Stop ends it in order and removes its data.
func (r *Rig) Stop(ctx context.Context) error {
	r.sender.Close()
	return r.Laminar.Remove(ctx)
}
