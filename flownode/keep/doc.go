// Package keep is what a leaf of a flow keeps in memory: which series it selects,
// and the partials of its panes.
//
// Members say which series a leaf selects and how these fall into slots and
// groups of labels. State holds, for every pane in memory, an array of partials
// indexed by slot; beside it stand arrays of what the panes of the current window
// merge to, so that computing a window again after one more scrape, or a step
// later, costs a few merges per slot however many panes it has (slide.go). Windows of few
// panes that are computed when they have closed, and not before, do without.
//
//	Leaf ── Members     which series
//	     │    ├─ Grouping   slot -> group of labels
//	     │    └─ Selection  series -> slot
//	     └─ State       what a window merges to
//	          └─ panes      pane -> slot -> partial, of one kind
//
// Leaves of a fence group that select the same series use one Selection, those that group
// by the same as well one Grouping, and, with
// the same kind of partial and the same width of panes, one row of panes (share.go):
// a sample is folded once for all of them.
//
// # What it takes
//
//	selection   12 bytes per series, and a page of 4 kB per 1,024 ids of which it
//	            has one
//	members     4 bytes per slot, and the labels of each group
//	panes       a partial per slot, for each pane with a sample: 16 to 72 bytes, and
//	            the histograms that those of package native point to
//	windows     about two roots of the number of panes more such arrays (W1-W4)
//
// Leaf.StateBytes estimates the panes before they are made, runs of samples by what they
// took so far (Leaf.Learn); State.Bytes says what is there. A leaf whose panes would take too much keeps none.
//
// # What holds
//
// Slots and groups keep their numbers (M1-M3). Panes hold exactly the samples up to
// the state's position, and are complete from its beginning on (C1-C3). What the
// current window has merged equals its panes, but for slots noted as stale (W1-W4).
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
