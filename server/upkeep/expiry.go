package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/sequence"
)

// oldResults is results that are older than their flow keeps them.
type oldResults interface {
	Delete(ctx context.Context, now sequence.Time) (deleted int64, err error)
}

// deleteExpired deletes results that their flow does not keep any more, by how far its samples
// have come, too.
func deleteExpired(results oldResults, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, now time.Time) error {
		deleted, err := results.Delete(ctx, now.UnixMilli())
		if deleted > 0 {
			log.Info("deleted old results", "rows", deleted)
		}
		return err
	}
}
