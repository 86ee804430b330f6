package main

import (
	"context"
	"fmt"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// Names of figures of scenario 3.
const (
	tickFewStored  = "Laminar: [5m] tick, few samples stored"
	tickManyStored = "Laminar: [5m] tick, 100 times as many stored"
)

// tickStored measures the same ticks beside a short and a long history, in turn.
// A window ends with each scrape.
func tickStored(ctx context.Context, b *harness.Bench) error {
	series := workload.RequestSeries(b.Plan.StoredSeries)
	ahead := 1 + int64(b.Plan.Rounds*b.Plan.StoredTicks)
	few := b.Plan.StoredFew + 1 + ahead // scrapes stored when the last tick has been measured
	var rigs []*lab.Rig
	defer func() {
		for _, r := range rigs {
			r.Close()
		}
	}()
	for _, history := range []int64{b.Plan.StoredFew, 100 * few} {
		r, err := b.Lab.NewRig(ctx, fmt.Sprintf("stored_%d", history), b.Plan.Connections, series, history, ahead)
		if err != nil {
			return err
		}
		rigs = append(rigs, r)
		if err := r.Laminar.Apply(ctx, lab.TickFlow("5m", workload.ScrapeInterval, series.Len())); err != nil {
			return err
		}
		if _, err := r.Round(ctx); err != nil { // builds the state
			return err
		}
		b.Say("   stored %s samples", report.Count(float64(r.Next)*float64(series.Len())))
	}
	for range b.Plan.Rounds {
		var took [2][]float64
		for range b.Plan.StoredTicks {
			for i, r := range rigs {
				d, err := r.Round(ctx)
				if err != nil {
					return err
				}
				took[i] = append(took[i], harness.MS(d))
			}
		}
		b.Add(3, tickFewStored, "ms", report.Median(took[0]))
		b.Add(3, tickManyStored, "ms", report.Median(took[1]))
	}
	for _, r := range rigs {
		if err := r.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}
