package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"laminar/sequence"
)

type fixedClock struct {
	now   sequence.Time
	known bool
	err   error
}

func (c fixedClock) Clock(context.Context) (sequence.Time, bool, error) { return c.now, c.known, c.err }

// TestForgettingGoesByItsClock: work that forgets is given the time that forgetting goes by,
// whatever the due time is, and is not done while that is not known.
func TestForgettingGoesByItsClock(t *testing.T) {
	away := errors.New("away")
	due := time.UnixMilli(5_000_000)
	for _, c := range []struct {
		clock fixedClock
		want  int64 // when it is done; -1 for never
	}{
		{fixedClock{now: 1000, known: true}, 1000}, {fixedClock{now: 9_000_000, known: true}, 9_000_000}, {fixedClock{now: -1}, -1}, {fixedClock{err: away}, -1},
	} {
		got := int64(-1)
		work := byClock(c.clock, func(_ context.Context, now time.Time) error {
			got = now.UnixMilli()
			return nil
		}, slog.New(slog.DiscardHandler))
		if err := work(t.Context(), due); got != c.want || !errors.Is(err, c.clock.err) {
			t.Errorf("%+v: done at %d, %v; want %d", c.clock, got, err, c.want)
		}
	}
}
