package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RunOptions say when a fleet sends.
type RunOptions struct {
	// History is how far in the past the first scrape is. The past is sent as
	// fast as it is taken.
	History time.Duration
	// Duration is how long to go on after now; 0 means until ctx ends,
	// negative means to send the history only.
	Duration time.Duration
	// Progress is called after every answer, with the time of the newest
	// scrape and what was refused for good, if anything. It may be nil.
	Progress func(newest time.Time, err error)
}

// lastAnswer is how long after its end a run waits for what was sent before.
const lastAnswer = time.Second

// Source generates points: a Fleet, or a Cluster.
type Source interface {
	// Series is the label sets of the series so far, by the number that points give.
	Series() [][]Label

	// Interval is how far apart scrapes are.
	Interval() time.Duration

	// Scrape appends the points that arrive in the interval that ends at t.
	Scrape(dst []Point, t time.Time) []Point
}

// Run lets the source send through the client: its history, then live, every
// scrape when its time has come, the first at once. It returns nil when the
// duration is over, whether the receiver answers or not, or ctx ends. What the receiver refuses
// for good is reported to Progress and does not end it.
func Run(ctx context.Context, f Source, c *Client, opts RunOptions) error {
	began := time.Now()
	interval := f.Interval()
	next := began.Add(-opts.History).Truncate(interval)
	if opts.History > 0 {
		next = next.Add(interval)
	}
	end := began.Add(max(opts.Duration, 0))
	if opts.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(lastAnswer))
		defer cancel()
	}
	var points []Point
	for opts.Duration == 0 || !next.After(end) {
		if !waitUntil(ctx, next) {
			return nil
		}
		points = f.Scrape(points[:0], next)
		newest := next
		// The past goes out in full requests.
		for next = next.Add(interval); !next.After(time.Now()) && !next.After(end) && len(points) < c.connections*c.perRequest; next = next.Add(interval) {
			points = f.Scrape(points, next)
			newest = next
		}
		err := c.Send(ctx, f.Series(), points)
		if ended(ctx) {
			return nil
		}
		if no := (*RejectedError)(nil); err != nil && !errors.As(err, &no) {
			return fmt.Errorf("send the scrape of %s: %w", newest.Format(time.RFC3339), err)
		}
		if opts.Progress != nil {
			opts.Progress(newest, err)
		}
	}
	return nil
}

// waitUntil returns true at the time t, at once if that is past, or false when
// ctx ends.
func waitUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return !ended(ctx)
	}
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }
