package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/sequence"
)

// forgettingClock says by which time what is old is forgotten for good.
type forgettingClock interface {
	Clock(ctx context.Context) (now sequence.Time, known bool, err error)
}

// byClock is work that forgets something for good. It is given the time that samples and the
// database's clock have both reached; the due time only says that it is time to look. Nothing
// is forgotten while retention is held back: what has been done to the clock cannot be taken
// back here.
func byClock(clock forgettingClock, forget func(ctx context.Context, now time.Time) error, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error {
		now, known, err := clock.Clock(ctx)
		if err != nil {
			return err
		}
		if !known {
			log.Debug("nothing old is forgotten: there are no samples, or retention is held back")
			return nil
		}
		return forget(ctx, time.UnixMilli(now))
	}
}
