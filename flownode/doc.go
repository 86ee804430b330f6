// Package flownode keeps the result tables of all flows up to date.
//
// Who is authoritative for what: PostgreSQL for sequences, raw samples,
// progress, the dirty list, jobs and results; a process only caches. Anything
// in memory can be lost at any time and is computed again.
//
// The invariants, cited by number everywhere:
//
//	I1  commit order is sequence order: a snapshot that sees sequence n of a
//	    region sees all of 1..n
//	I2  acknowledged means durable, once
//	I3  merged state at vector V equals one full computation over all samples
//	    with a sequence <= V, one value per (series, time), the highest
//	    sequence winning
//	I4  results, vector, emitted-until and dirty list commit together, fenced by
//	    vector and epoch
//	I5  mirror writes are only hints
//	I6  a refill never destroys what it cannot rebuild
//	I7  state is a cache, advanced from its own vector only
//
// # A round
//
// Flows with one fence group and one trigger share rounds. A round takes one
// snapshot at vector B and, for flows that stand at A:
//
//	members   series created in (A, B] are matched once and get slot and group
//	delta     hot ordered segments of (A, B] are folded into pane state; what
//	          reaches closed windows, and what is unordered, is noted; sealed
//	          segments of the delta make their whole time range dirty
//	repair    cells in memory that unordered samples fall in take those that are
//	          new where order does not matter, else are folded again from raw
//	emit      windows in (emitted-until, watermark] are computed, oldest first
//	open      the earliest open window is computed as provisional
//	dirty     closed windows that have been quiet are recomputed
//	refill    a requested job moves on
//	commit    all of it in one transaction, for all flows of the group
//
// Emitting, recomputing and refilling stop when the round's budget is used up,
// after one window each at least, and go on in the next round, which then begins
// at once.
//
// # Pane state
//
// State covers the panes that the earliest open window needs, and for late
// samples older ones as long as they are few and small. It is missing after a start, after any failure, after a
// refill of its time, when sealing overtook the flow, and for leaves whose
// windows have too many panes; then windows are computed from raw samples, and
// the state is built again when the flow is near its watermark.
//
// Panes are arrays indexed by slot. Beside them stand arrays of what the panes
// of the current window merge to, so that computing it again after one more
// scrape, or a step later, costs a few merges per slot however many panes it
// has (slide.go).
//
// # Executors
//
// Partials of ordered deltas and of pane state are computed by one of two
// executors, chosen leaf by leaf and round by round (flowplan.ChooseExecutor):
// columns are read once for all leaves of a cohort and folded here, or the
// database aggregates. What the rule needs to know of the connection, the node's
// reads tell (link.go).
//
// # Failures
//
//	a round fails              nothing is stored; its flows are loaded again
//	the commit is unknown      the same: the stored vector tells
//	another owner (fenced)     the same
//	the leader dies            the advisory lock goes with its connection;
//	                           another node takes the flows at a higher epoch
//	hints are lost             rounds begin a poll interval later
//	history changed            members and state are dropped, everything stored
//	                           counts as delta
package flownode
