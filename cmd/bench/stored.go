package main

import (
	"context"
	"fmt"

	"laminar/cmd/bench/report"
)

// Names of figures of scenario 3.
const (
	tickFewStored  = "Laminar: [5m] tick, few samples stored"
	tickManyStored = "Laminar: [5m] tick, 100 times as many stored"
)

// tickStored measures the same tick beside a short and a long history.
func (b *bench) tickStored(ctx context.Context) error {
	series := requestSeries(b.plan.storedSeries)
	ahead := int64(b.plan.rounds+2) * perMinute
	var rigs []*rig
	defer func() {
		for _, r := range rigs {
			r.close()
		}
	}()
	for _, times := range []int64{1, 100} {
		r, err := b.newRig(ctx, fmt.Sprintf("stored_%d", times), series, times*b.plan.storedFew, ahead)
		if err != nil {
			return err
		}
		rigs = append(rigs, r)
		if err := r.store(ctx, perMinute-1); err != nil {
			return err
		}
		if err := r.laminar.apply(ctx, tickFlow("5m", series.len())); err != nil {
			return err
		}
		if _, err := r.round(ctx); err != nil { // builds the state
			return err
		}
		b.say("   stored %s samples", report.Count(float64(r.next)*float64(series.len())))
	}
	for range b.plan.rounds {
		for i, name := range []string{tickFewStored, tickManyStored} {
			took, err := rigs[i].minute(ctx)
			if err != nil {
				return err
			}
			b.add(3, name, "ms", ms(took))
		}
	}
	for _, r := range rigs {
		if err := r.stop(ctx); err != nil {
			return err
		}
	}
	return nil
}
