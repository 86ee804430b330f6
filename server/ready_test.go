package server

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
)

// TestReadyProbes: however many ask whether writes succeed, and however they leave, the
// database is asked once in freshFor, whatever it says.
func TestReadyProbes(t *testing.T) {
	for name, outcome := range map[string]error{
		"writes succeed":  nil,
		"no database":     sequence.ErrUnavailable,
		"another failure": errors.New("permission denied"),
	} {
		now, probes := time.Now(), 0
		r := &readiness{now: func() time.Time { return now }, probe: func(ctx context.Context) error {
			probes++
			if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
				t.Errorf("%s: the probe ends with who asks, or never", name)
			}
			return outcome
		}}
		gone, leave := context.WithCancel(t.Context())
		leave()
		for turn := 1; turn <= 3; turn++ {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if err := r.check(gone); !errors.Is(err, outcome) {
						t.Errorf("%s: got %v", name, err)
					}
				})
			}
			all.Wait()
			if probes != turn {
				t.Errorf("%s: %d probes in %d times of freshFor", name, probes, turn)
			}
			now = now.Add(freshFor)
		}
	}
}
