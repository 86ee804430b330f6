package upkeep

import (
	"context"
	"log/slog"
	"time"

	"laminar/sequence"
)

// old is things that are removed once they are old.
type old struct {
	what  string     // was done, for the log
	unit  string     // is counted
	level slog.Level // of the log line
}

// What is removed. How old each may become is in the definitions of flows and the settings.
var (
	oldResults   = old{"deleted old results", "rows", slog.LevelInfo}
	lateSamples  = old{"forgot old late samples and windows that lack some", "entries", slog.LevelDebug}
	alertChanges = old{"forgot old changes of alerts", "changes", slog.LevelInfo}
)

// removed is work that removes what is too old at a time, for byClock, and tells how much
// that was.
func (o old) removed(remove func(ctx context.Context, now sequence.Time) (int64, error), log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, now time.Time) error {
		n, err := remove(ctx, now.UnixMilli())
		if n > 0 {
			log.Log(ctx, o.level, o.what, o.unit, n)
		}
		return err
	}
}
