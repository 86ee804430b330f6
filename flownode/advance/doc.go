// Package advance brings pane state from the vector it stands at to that of a snapshot.
//
// A Delta is what has been committed in between. Read plans each leaf (flowplan.Plan),
// reads the segments of each metric once for all leaves that select it, and folds them
// into pane state, or lets the database aggregate them (executor). What reaches closed
// windows is noted by leaf (Leaf.Late, Unordered, Upstream) and left to others, who
// decide what becomes of these windows: package round.
//
// A leaf's State is a cache (I7). It is advanced from exactly the vector it stands at,
// or dropped, and is then built elsewhere from raw samples.
package advance
