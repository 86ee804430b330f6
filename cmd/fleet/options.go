package fleet

import (
	"errors"
	"fmt"
	"time"
)

// SeriesPerInstance is how many series each instance has.
const SeriesPerInstance = 50

// Options describe the fleet. Shares are of all points, in [0, 1].
type Options struct {
	Seed      uint64
	Instances int
	Interval  time.Duration // between two scrapes of one instance, at least a millisecond

	Late        float64       // held back, delivered by a later scrape
	Repeated    float64       // delivered again by a later scrape
	Overwritten float64       // delivered again by a later scrape, with another value
	MaxDelay    time.Duration // the longest that such points come later; one interval at least

	Restarts float64 // per scrape of an instance, the chance that it restarted before
}

// DefaultOptions is a small fleet for a look: 500 series, 2 % of the points
// late, 1 % repeated, 0.3 % overwritten.
func DefaultOptions() Options {
	return Options{
		Seed:        1,
		Instances:   10,
		Interval:    5 * time.Second,
		Late:        0.02,
		Repeated:    0.01,
		Overwritten: 0.003,
		MaxDelay:    2 * time.Minute,
		Restarts:    0.002,
	}
}

// Validate names the first option that makes no sense.
func (o Options) Validate() error {
	for name, share := range map[string]float64{
		"late": o.Late, "repeated": o.Repeated, "overwritten": o.Overwritten, "restarts": o.Restarts,
	} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("fleet: the share %s is %v, must be in [0, 1]", name, share)
		}
	}
	switch {
	case o.Late+o.Repeated+o.Overwritten > 1:
		return errors.New("fleet: the shares of late, repeated and overwritten points are over 1 together")
	case o.Instances < 1:
		return fmt.Errorf("fleet: %d instances, must be at least 1", o.Instances)
	case o.Interval < time.Millisecond:
		return fmt.Errorf("fleet: the interval %s is under a millisecond", o.Interval)
	case o.MaxDelay < 0:
		return fmt.Errorf("fleet: the longest delay %s is negative", o.MaxDelay)
	}
	return nil
}
