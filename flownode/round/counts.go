package round

// What a round did, for the driver to show.
// Before: nothing is counted.
// After: every piece of state and every window that the round computed is counted
// once. A round that failed is counted too: the work was done, though its results
// are not stored.

import (
	"laminar/flownode/progress"
)

// Counts is what a round did. It is values, not metrics, so that a round needs no
// registry and a test can compare them.
type Counts struct {
	Refills map[progress.Reason]int // pieces of state and windows computed again from raw samples
	Windows map[WindowKind]int      // windows computed

	EvalErrors int // windows whose expression could not be evaluated
	Kept       int // dirty windows kept as they are because raw samples of theirs are gone
}

func newCounts() Counts {
	return Counts{Refills: map[progress.Reason]int{}, Windows: map[WindowKind]int{}}
}

// WindowKind says why a window was computed.
type WindowKind string

// The kinds.
const (
	Closed      WindowKind = "closed"      // for the first time, when it closed
	Provisional WindowKind = "provisional" // while it is open
	Recomputed  WindowKind = "recomputed"  // because it was dirty
	Refilled    WindowKind = "refilled"    // because a refill was requested
)

// WindowKinds lists them.
func WindowKinds() []WindowKind { return []WindowKind{Closed, Provisional, Recomputed, Refilled} }
