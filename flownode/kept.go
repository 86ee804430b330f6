package flownode

import (
	"context"
	"errors"
	"sync"
	"time"

	"laminar/flownode/progress"
	"laminar/flownode/round"
)

// What others in the process may know of flows that it keeps: how much is in memory of
// each, as of its last round, and a look at the flow itself between two rounds.

// ErrNotKept says that this process does not keep the flow: another one leads, or none
// does, or the flow could not be loaded.
var ErrNotKept = errors.New("this process does not keep the flow")

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

// Kept is how much of each flow is in memory, nothing while another flownode leads.
func (n *Node) Kept() map[progress.FlowID]Kept {
	m := n.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[progress.FlowID]Kept, len(m.kept))
	for id, k := range m.kept {
		out[id] = k
	}
	return out
}

// Leads reports whether this flownode keeps the flows.
func (n *Node) Leads() bool { return n.leading.Load() }

// Inspect calls look with a flow that this process keeps, between two rounds of its fence
// group, which wait for it: look must be short, must change nothing, and must not keep
// anything of the flow. It waits for a round that is under way, as long as ctx allows.
// ErrNotKept when the flow is not kept here.
func (n *Node) Inspect(ctx context.Context, group string, id progress.FlowID, look func(*round.Flow)) error {
	n.mu.Lock()
	g := n.groups[group]
	n.mu.Unlock()
	if g == nil {
		return ErrNotKept
	}
	found := make(chan bool, 1)
	select {
	case g.looks <- func() {
		f := g.flows[id]
		there := f != nil && !f.broken
		if there {
			look(f.run)
		}
		found <- there
	}:
	case <-g.ended:
		return ErrNotKept
	case <-ctx.Done():
		return ctx.Err()
	}
	// The worker has it, and calls it at once.
	if !<-found {
		return ErrNotKept
	}
	return nil
}
