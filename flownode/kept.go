package flownode

import (
	"sync"
	"time"

	"laminar/flownode/progress"
	"laminar/flownode/round"
)

// How much is in memory of each flow, as of its last round.

// Kept is how much of a flow was in memory after its last round.
type Kept struct {
	Series int           // that its leaves select; a leaf with the same counts again
	Groups int           // of the leaf with most of them
	Panes  int           // that hold samples, of all leaves
	Bytes  int64         // of pane state, its part of what several flows share
	Took   time.Duration // the round of its fence group
	At     time.Time     // when that was over, by this process's clock
}

// memory is how much of each flow is in memory. It may be used by several goroutines at
// once.
type memory struct {
	mu   sync.Mutex
	kept map[progress.FlowID]Kept
}

func newMemory() *memory { return &memory{kept: map[progress.FlowID]Kept{}} }

// saw notes what is in memory of flows after a round of theirs, and returns it.
func (m *memory) saw(flows []*round.Flow, took time.Duration, at time.Time) []Kept {
	out := make([]Kept, len(flows))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, f := range flows {
		k := Kept{Took: took, At: at, Bytes: f.Leaves.Bytes()}
		for _, l := range f.Leaves {
			k.Series += len(l.Members.Series)
			k.Groups = max(k.Groups, len(l.Members.Groups))
			if l.State != nil {
				k.Panes += l.State.PaneCount()
			}
		}
		m.kept[f.ID], out[i] = k, k
	}
	return out
}

// forget notes that a flow is gone, or that another process keeps it now.
func (m *memory) forget(id progress.FlowID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, id)
}
