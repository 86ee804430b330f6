package flownode

// Rounds driven by hand, for tests and simulations.
// Before: nothing else drives the node; the clock moves only between calls.
// After each call: no goroutine of the node is running.

import (
	"context"
	"maps"
	"slices"
	"time"

	"laminar/sequence"
)

// Stepper is a node that leads, driven by the calls of one goroutine instead of
// by Run: with a clock of its own (Config.Now) what it does depends on nothing
// but what the ports answer. It makes the same rounds at the same times as Run
// and never campaigns, so several on one database are owners by mistake, which
// the fence of their commits must tell apart (I4).
type Stepper struct {
	node *Node
	seen sequence.Vector // the regions' vector of the last Poll, nil before the first
}

// NewStepper returns a stepper that knows no flows until the first Poll.
func NewStepper(cfg Config) (*Stepper, error) {
	n, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Stepper{node: n}, nil
}

// Hint is the mirror write, as Node.Hint.
func (s *Stepper) Hint(r sequence.Region, seq sequence.Seq) { s.node.Hint(r, seq) }

// Wake is as Node.Wake.
func (s *Stepper) Wake() { s.node.Wake() }

// Poll looks for what hints may have missed, as Run does every
// Config.PollInterval.
func (s *Stepper) Poll(ctx context.Context) error {
	vec, err := s.node.poll(ctx, func(func() error) {}, s.seen)
	s.seen = vec
	return err
}

// Step makes the rounds that are due, at most one for each group, in the order
// of their names. It returns how long none is due unless Wake or Poll finds
// something; 0 when some may be due now.
func (s *Stepper) Step(ctx context.Context) (wait time.Duration) {
	wait = idleTurn
	for _, name := range slices.Sorted(maps.Keys(s.node.groups)) {
		g := s.node.groups[name]
		select {
		case heads := <-g.heads:
			g.adopt(heads)
		default:
		}
		select {
		case <-g.wake:
			g.pending = true
		default:
		}
		wait = min(wait, g.turn(ctx))
	}
	return wait
}
