package upkeep

import (
	"context"
	"log/slog"
	"time"
)

// oldResults is results that are older than their flow keeps them.
type oldResults interface {
	Delete(ctx context.Context) (deleted int64, err error)
}

// deleteExpired deletes results that their flow does not keep any more, by how far its samples
// and the database's clock have come; the due time only says that it is time to look.
func deleteExpired(results oldResults, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error {
		deleted, err := results.Delete(ctx)
		if deleted > 0 {
			log.Info("deleted old results", "rows", deleted)
		}
		return err
	}
}
