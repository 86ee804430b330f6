package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/changes"
)

// changeLogs is what commits have changed of results.
type changeLogs interface {
	Prune(ctx context.Context, before sequence.Time) (changes.Pruned, error)
	Renew(ctx context.Context, flow progress.FlowID) error
}

// pruneChanges forgets which rows were changed by commits that are older than keep, seen from
// the time that forgetting goes by: with one that has jumped, everybody who follows a flow
// would have to read it anew. While that time is not known, logs are still merged and kept
// below their size. The due time only says that it is time to look.
func pruneChanges(logs changeLogs, clock forgettingClock, keep time.Duration, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error {
		now, known, err := clock.Clock(ctx)
		if err != nil {
			return err
		}
		before := sequence.NoTime
		if known {
			before = max(0, now-keep.Milliseconds())
		}
		pruned, err := logs.Prune(ctx, before)
		if pruned.Forgotten+pruned.Merged > 0 {
			log.Debug("pruned the change logs of results", "forgotten", pruned.Forgotten, "merged", pruned.Merged)
		}
		return err
	}
}
