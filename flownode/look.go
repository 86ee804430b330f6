package flownode

// What others in the process may know of flows that it keeps: how much is in memory of
// each, and a look at the flow itself between two rounds.

import (
	"context"
	"errors"

	"laminar/flownode/progress"
	"laminar/flownode/round"
)

// ErrNotKept says that this process does not keep the flow: another one leads, or none
// does, or the flow could not be loaded.
var ErrNotKept = errors.New("this process does not keep the flow")

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
