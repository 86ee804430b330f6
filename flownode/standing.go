package flownode

import (
	"sync"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// standing is how flows stand, as far as this process knows: what their metrics need
// beside what the catalogue says at every poll. So a flow that is not loaded, or
// makes no rounds, is shown all the same, and its lag goes on rising. It may be used
// by several goroutines at once.
type standing struct {
	mu    sync.Mutex
	ahead map[progress.FlowID]int64     // ms that windows read beyond their end; of flows that were loaded once
	still map[progress.FlowID]time.Time // since when the flow has stood still, by this process's clock
}

func newStanding() *standing {
	return &standing{ahead: map[progress.FlowID]int64{}, still: map[progress.FlowID]time.Time{}}
}

// loaded notes how far windows of a flow read beyond their end.
func (s *standing) loaded(id progress.FlowID, ahead int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead[id] = ahead
}

// stands notes that a flow stands still since a time.
func (s *standing) stands(id progress.FlowID, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still[id] = since
}

// moves notes that a flow moves, or is gone.
func (s *standing) moves(id progress.FlowID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.still, id)
}

// show shows lag and standstill of all flows of the catalogue.
func (s *standing) show(m *Metrics, heads []progress.Head, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range heads {
		since, still := s.still[h.ID]
		lag, stalled := time.Duration(0), 0.0
		if still {
			lag, stalled = now.Sub(since), 1
		}
		if h.Lag != sequence.NoTime {
			lag = time.Duration(h.Lag-s.ahead[h.ID]) * time.Millisecond
		}
		m.lag.WithLabelValues(h.Name).Set(lag.Seconds())
		m.stalled.WithLabelValues(h.Name).Set(stalled)
	}
}
