// Package read reads what a round may read: one snapshot of the raw data, at one
// position.
//
//	Snapshot     the port: positions and history, series, segments, and
//	             aggregation by the database
//	Reader       reads from a snapshot, counts, and caches what was asked before
//	Fold         raw samples into pane state, in lanes
//	BuildState   the pane state of a leaf; BuildTogether of many from one reading
//	Unordered    late, repeated and overwriting samples of a delta
//	Selection    the samples of an expression that is evaluated whole
//
// # Lanes
//
// Raw samples of a large reading are folded in lanes, each by one goroutine with a
// session of its own:
//
//	region 1 ─┐
//	region 3 ─┴─> lane 0 ─> held samples ─> cells of the state
//	region 2 ───> lane 1 ─> held samples ─> cells of the state, or of panes of
//	                                        its own, which are merged at the end
//
// A series lies in one region, so it comes to one lane. Where slots are series the
// lanes write to the same panes, each to cells of its own. Where slots are groups
// they would meet, so every lane but the first has panes of its own; they are
// merged in the order of the lanes.
//
// A Reader belongs to one goroutine. A fold may use more, one for each lane, and
// waits for them. Which lane is faster changes no bit of the result. How many lanes
// there are can change the last bits of sums, because floats are added in another
// order; that is within the bound of I3.
//
// # Order
//
// Of two samples of one series and time the one with the higher sequence wins
// (I3): ReadRaw delivers it later, and every way through this package keeps the
// last. Nearly always a series' samples come in time order, each time once, and are
// folded as they come. Otherwise they are put in order before they are folded. If
// it turns out only after folding that a series is out of order, its cells are
// emptied and folded again, from half of the time at a time. So the memory of a
// reading is bounded by its settings, and not by the number of stored samples.
//
// The package decides nothing about flows: its callers say which samples are read,
// and use the result. It writes nothing, and its clock is given to it.
//
// # Errors
//
// An error of the snapshot ends the reading, and pane state that was being filled
// must be dropped: it may hold a part of the samples. Only partial.ErrNeedsColumnar
// never leaves the package, because the same samples can be read in columns.
package read
