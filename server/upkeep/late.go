package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/sequence"
)

// lateSamples is samples that came too late for closed windows, of flows that keep them.
type lateSamples interface {
	Forget(ctx context.Context, now sequence.Time) (forgotten int64, err error)
}

// forgetLate forgets late samples that are older than their flow keeps them.
func forgetLate(kept lateSamples, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, now time.Time) error {
		forgotten, err := kept.Forget(ctx, now.UnixMilli())
		if forgotten > 0 {
			log.Debug("forgot old late samples", "samples", forgotten)
		}
		return err
	}
}
