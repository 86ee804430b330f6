package ingesttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"laminar/sequence"
)

// Elector elects one replica of each cluster in memory, by a clock of its own. The
// processes of a test share it, as they share a database. It is safe for
// concurrent use.
type Elector struct {
	mu      sync.Mutex
	now     time.Duration
	seen    map[string]time.Duration
	elected map[string]string
	asked   int
	away    bool
}

// NewElector returns an elector that has elected nobody, at time 0 of its clock.
func NewElector() *Elector {
	return &Elector{seen: map[string]time.Duration{}, elected: map[string]string{}}
}

// Elect is that of replica.Elector. It fails while the elector is away.
func (e *Elector) Elect(_ context.Context, cluster, from string, failover time.Duration) (string, time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked++; e.away {
		return "", 0, fmt.Errorf("elect: %w", sequence.ErrUnavailable)
	}
	if old, ok := e.elected[cluster]; !ok || old == from || e.seen[cluster] <= e.now-failover {
		e.elected[cluster], e.seen[cluster] = from, e.now
	}
	return e.elected[cluster], e.seen[cluster] + failover - e.now, nil
}

// Pass lets d pass by the elector's clock.
func (e *Elector) Pass(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now += d
}

// Clock returns the time by the elector's clock.
func (e *Elector) Clock() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// Asked returns how often Elect was called.
func (e *Elector) Asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// Elected returns the replica of the cluster that is elected, "" for none, and
// the time by the elector's clock.
func (e *Elector) Elected(cluster string) (replica string, now time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.elected[cluster], e.now
}

// SetAway makes Elect fail, as while the database is away, until it is set again.
func (e *Elector) SetAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}
