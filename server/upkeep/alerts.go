package upkeep

import (
	"context"
	"log/slog"
	"time"
)

// alertHistory is the stored changes of alerts.
type alertHistory interface {
	Prune(ctx context.Context, t int64) (pruned int64, err error)
}

// pruneAlerts forgets changes of alerts that are older than keep.
func pruneAlerts(history alertHistory, keep time.Duration, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, now time.Time) error {
		pruned, err := history.Prune(ctx, now.Add(-keep).UnixMilli())
		if pruned > 0 {
			log.Info("forgot old changes of alerts", "changes", pruned)
		}
		return err
	}
}
