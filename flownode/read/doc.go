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
// A Reader belongs to one goroutine. A fold may use more, one for each lane, and
// waits for them; which of them is faster changes no bit of the result.
//
// Of two samples of one series and time the one with the higher sequence wins
// (I3): ReadRaw delivers it later, and every way through this package keeps the
// last.
//
// The package decides nothing about flows: which samples are read, and what comes
// of them, others say. It writes nothing, and its clock is given to it.
package read
