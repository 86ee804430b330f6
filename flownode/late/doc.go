// Package late decides what becomes of samples that reach closed windows of a flow which
// does not compute all of these again: `late: drop`, or `allowed_lateness`.
//
// A window is closed by the round that computes it for the last time, and holds the
// samples up to that round's vector. So whether a sample came too late for a window is
// decided by two things that are stored together (I4): the vector, which says whether the
// sample is among those that the round after it reads, and how far the flow had emitted,
// and its watermark, at that vector. Each sample is read by exactly one round that is
// committed, so it is judged and counted once, whatever is killed in between.
//
//	a sample reaches a window that is     the window
//	open                                  has it when it closes
//	closed, and not frozen                is computed again
//	frozen, and on the dirty list         is computed again, from all samples: the list
//	                                      is stored, so that is decided, too
//	frozen                                keeps its value; what it lacks is noted
//
// With `late: side_output` what a sample adds to the rows of frozen windows is told, too,
// so that row and addition make what all samples give (I3). Where that cannot be told,
// because the sample replaces another or sealing was ahead of the flow, the window is
// computed again.
//
// What a window lacks is noted by window and group. When the window is computed again
// from all raw samples, by a refill say, it lacks nothing any more (Left.Whole).
//
// How many windows and groups are told apart is bounded (Bounds), so that neither memory nor
// the list follows what a sender makes up. Beyond that, stretches of windows are noted that
// may lack samples of any group; and windows with rows beside the table are computed again.
//
// The package is pure: no SQL, no clock, no goroutines.
package late
