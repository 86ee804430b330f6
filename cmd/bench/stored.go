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

// tickStored measures the same ticks beside a short and a long history, in turn.
// A window ends with each scrape. A single tick takes as long as its durable
// write happens to, so a round's figure is the median of several.
func (b *bench) tickStored(ctx context.Context) error {
	series := requestSeries(b.plan.storedSeries)
	ahead := 1 + int64(b.plan.rounds*b.plan.storedTicks)
	few := b.plan.storedFew + 1 + ahead // when the last tick has been measured
	var rigs []*rig
	defer func() {
		for _, r := range rigs {
			r.close()
		}
	}()
	for _, history := range []int64{b.plan.storedFew, 100 * few} {
		r, err := b.newRig(ctx, fmt.Sprintf("stored_%d", history), series, history, ahead)
		if err != nil {
			return err
		}
		rigs = append(rigs, r)
		if err := r.laminar.apply(ctx, tickFlow("5m", scrapeInterval, series.len())); err != nil {
			return err
		}
		if _, err := r.round(ctx); err != nil { // builds the state
			return err
		}
		b.say("   stored %s samples", report.Count(float64(r.next)*float64(series.len())))
	}
	for range b.plan.rounds {
		var took [2][]float64
		for range b.plan.storedTicks {
			for i, r := range rigs {
				d, err := r.round(ctx)
				if err != nil {
					return err
				}
				took[i] = append(took[i], ms(d))
			}
		}
		b.add(3, tickFewStored, "ms", report.Median(took[0]))
		b.add(3, tickManyStored, "ms", report.Median(took[1]))
	}
	for _, r := range rigs {
		if err := r.stop(ctx); err != nil {
			return err
		}
	}
	return nil
}
