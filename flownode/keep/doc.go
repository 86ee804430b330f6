// Package keep is what a leaf of a flow keeps in memory: which series it selects,
// and the partials of its panes.
//
// Members say which series a leaf selects and how these fall into slots and
// groups of labels. State holds, for every pane in memory, an array of partials
// indexed by slot; beside it stand arrays of what the panes of the current window
// merge to, so that computing a window again after one more scrape, or a step
// later, costs a few merges per slot however many panes it has (slide.go).
//
//	Leaf ── Members     series -> slot -> group of labels
//	     └─ State       pane -> slot -> partial, of one kind (panes)
//
// All of it is a cache (I7): it can be dropped at any time and is built again
// from raw samples. Pane state is advanced from its own vector only; a delta that
// begins elsewhere is refused.
//
// What is folded, and when, others decide. The package reads no samples itself
// and knows no flow, no round and no database. Nothing in it may be used by
// several goroutines at once, but lanes of one state, each in slots of its own
// (State.Lane).
//
// The loops over samples are of one type each: State is an interface, but it is
// crossed once per segment, never per sample.
package keep
