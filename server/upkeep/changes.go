package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/flownode/progress"
	"laminar/sqlstore/changes"
)

// changeLogs is what commits have changed of results.
type changeLogs interface {
	Prune(ctx context.Context, keep time.Duration) (changes.Pruned, error)
	Renew(ctx context.Context, flow progress.FlowID) error
}

// pruneChanges forgets which rows were changed by commits that are older than keep. That
// is decided in the database, by its clock; the due time only says that it is time to look.
func pruneChanges(logs changeLogs, keep time.Duration, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error {
		pruned, err := logs.Prune(ctx, keep)
		if pruned.Forgotten+pruned.Merged > 0 {
			log.Debug("pruned the change logs of results", "forgotten", pruned.Forgotten, "merged", pruned.Merged)
		}
		return err
	}
}
