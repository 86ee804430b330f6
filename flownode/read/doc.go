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
// waits for them; which of them is faster changes no bit of the result.
//
// # Order
//
// Of two samples of one series and time the one with the higher sequence wins
// (I3): ReadRaw delivers it later, and every way through this package keeps the
// last. Nearly always a series' samples come in time order, each time once, and are
// folded as they come. What does not is put in order before it is folded, or, if
// that is found out too late, its cells are emptied and folded again from half of
// the time at a time. So the memory of a reading is bounded by its settings, and
// not by what is stored.
//
// The package decides nothing about flows: which samples are read, and what comes
// of them, others say. It writes nothing, and its clock is given to it.
package read
