// Package round computes what one round makes of a fence group's flows.
//
// A Machine takes flows that stand at vector A and a Reader of a snapshot at B. It
// returns a Result for each flow: everything that is to be stored in one
// transaction (I4).
//
//	members     series created in (A, B] are matched once and get slot and group
//	delta       hot ordered segments of (A, B] are folded into pane state; samples
//	            that reach closed windows, or are unordered, are noted; sealed
//	            segments of the delta make their whole time range dirty
//	repair      cells in memory that unordered samples fall in: a new sample is
//	            folded where order does not matter, else the cell is folded again
//	            from raw samples
//	emit        windows in (emitted-until, watermark] are computed, oldest first
//	open        the earliest open window is computed as provisional
//	dirty       closed windows that have been quiet are recomputed
//	refill      a requested job moves on
//
// Compute states the order of the steps, with the reason of each.
//
// Flows that read results of others go through these steps after them, tier by tier, and
// take what those changed for their delta (Cascade).
//
// Emitting, recomputing and refilling stop when the round's budget is used up,
// after one window each at least, and go on in the next round.
//
// # A window's life
//
//	        samples come          watermark passes the end        late samples
//	(none) ──────────────> open ──────────────────────────> closed ──────────> dirty
//	                        │ provisional                     ^  recompute        │
//	                        └─ written again when it changes  └───────────────────┘
//
// A window is written when it closes, whether its samples came in this round or
// years ago, and again when something changes it. It is final in the sense that
// only late samples, a refill or another definition change it. What cannot be
// computed from all its raw samples is never written (I6).
//
// # Where a window's values come from
//
//	pane state        where it reaches back to the window's beginning
//	transient panes   else: folded now from raw samples, for the groups wanted
//	raw columns       where the window has too many panes to keep
//	the engine        where a leaf has no mergeable partial, or none for the native
//	                  histograms of its metric: the whole expression over raw samples
//
// All four give what the engine gives on the same samples, within the bound; which
// one is used is a matter of cost only.
//
// # What a round costs
//
// Reading the delta follows what has landed: each metric's segments are read once
// for all flows. Emitting costs a few merges per slot and window. A late sample
// costs its cell, or its series' samples in that pane, and its window for its own
// group. Only building state and refilling read all raw samples of a stretch of
// time, and then once for all leaves of the same metrics where several need them.
//
// # Drivers
//
// The machine has no clock of its own, commits nothing and starts no goroutine
// that it does not wait for. Its driver (the node, the Stepper or a test) takes
// the snapshot, commits the results, and tells each flow whether its result was
// stored. After an error, and after a commit whose outcome is unknown, the driver
// throws the flows away and loads them again: state is a cache (I7).
//
// # Errors
//
// An expression that cannot be evaluated in a window is no error of the round: the
// window has no result, and the flow carries the message until a window succeeds.
// Every other error ends the round for all flows that are computed together: some
// of them may be half advanced, and which ones is not worth finding out. An error
// that is one flow's own names it (FlowError).
package round
