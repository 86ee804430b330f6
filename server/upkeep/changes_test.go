package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/changes"
)

// noted is change logs that remember what they were told to forget.
type noted struct{ before []sequence.Time }

func (n *noted) Prune(_ context.Context, before sequence.Time) (changes.Pruned, error) {
	n.before = append(n.before, before)
	return changes.Pruned{}, nil
}

func (n *noted) Renew(context.Context, progress.FlowID) error { return nil }

// TestChangesAreForgottenByTheirClock: what counts as old among changes goes by the time that
// forgetting goes by, whatever the due time is; while that is not known nothing is old, and
// logs are pruned for the rest.
func TestChangesAreForgottenByTheirClock(t *testing.T) {
	away := errors.New("away")
	for _, c := range []struct {
		clock fixedClock
		want  sequence.Time // -2 for none
	}{
		{fixedClock{now: 10_000_000, known: true}, 6_400_000}, {fixedClock{now: 1000, known: true}, 0},
		{fixedClock{now: -1}, sequence.NoTime}, {fixedClock{err: away}, -2},
	} {
		logs := &noted{}
		err := pruneChanges(logs, c.clock, time.Hour, slog.New(slog.DiscardHandler))(t.Context(), time.UnixMilli(90_000_000))
		got := sequence.Time(-2)
		if len(logs.before) == 1 {
			got = logs.before[0]
		}
		if got != c.want || !errors.Is(err, c.clock.err) {
			t.Errorf("%+v: what is before %d is forgotten, %v; want %d", c.clock, got, err, c.want)
		}
	}
}
