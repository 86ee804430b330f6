package flownode

import (
	"sync"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// Lag and standstill of flows, as metrics.
//
// They are set at every poll, from the catalogue, and not at the end of a round: a
// flow that is not loaded or makes no rounds must be shown too, and its lag must go
// on rising.
//
//	lag = the database's clock - watermark - ahead    with a watermark
//	    = this process's clock - still                without one, while it stands still
//	    = 0                                           otherwise
//
// ahead is subtracted because such windows wait for samples that are newer than their
// end. Without it a flow that misses nothing would seem to lag.

// standing is what this process knows of the progress of flows beside the catalogue.
// It may be used by several goroutines at once: fence groups note, the poll shows.
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

// show sets the metrics of lag and standstill for all flows of the catalogue. The
// lag of a flow without a watermark is how long it has stood still, 0 if it has not.
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

// showLag shows the lag of flows that another process keeps. How far windows read
// beyond their end is not known of flows that this process has never kept: their lag
// is shown with it. Nor is whether they stand still.
func (s *standing) showLag(m *Metrics, heads []progress.Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range heads {
		if h.Lag != sequence.NoTime {
			m.lag.WithLabelValues(h.Name).Set(float64(h.Lag-s.ahead[h.ID]) / 1000)
		}
	}
}
