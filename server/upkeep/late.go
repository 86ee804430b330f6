package upkeep

import (
	"context"
	"log/slog"
	"time"
)

// lateSamples is samples that came too late for closed windows, of flows that keep them.
type lateSamples interface {
	Forget(ctx context.Context) (forgotten int64, err error)
}

// forgetLate forgets late samples that are older than their flow keeps them, by the
// database's clock; the due time only says that it is time to look.
func forgetLate(kept lateSamples, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error {
		forgotten, err := kept.Forget(ctx)
		if forgotten > 0 {
			log.Debug("forgot old late samples", "samples", forgotten)
		}
		return err
	}
}
