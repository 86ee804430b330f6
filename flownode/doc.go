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
//	I8  flows that read each other are at one vector: who joins their tables
//	    sees one position in the raw data
//	I9  the state of an alert is a function of its windows, and a change of it
//	    pages once
//
// # Fence groups and rounds
//
// Flows with one fence group and one trigger share rounds: they see one vector,
// so a ratio of two flows never exceeds one and the buckets of a histogram are
// never torn. Flows that read each other are in one group (I8). Each fence group has
// a goroutine; a slow one holds up no other.
//
// A round takes over the flows that are not trusted, asks for refill jobs, takes a
// snapshot, lets round.Machine compute what the flows become, closes the snapshot,
// folds the alerting rules over their windows (alertround) and commits, all flows of
// the group in one transaction. If a round's budget was used up before its work was
// done, the next round begins at once.
//
//	          due                     computed                 stored
//	waiting ───────> reading ──────────────────> committing ──────────> waiting
//	   ^                │ error                       │ unknown, fenced, error
//	   └── load again <─┴─────────────────────────────┘
//
// Package read reads for a round, package round computes it, and package keep holds
// what stays in memory between rounds. This package has the rest: leadership, the
// catalogue, triggers, the clock, commits and metrics. Node drives rounds by time and
// hints; Stepper drives the same rounds by the calls of a test.
//
// # Goroutines
//
//	Node.Run        campaigns, and while it leads, polls
//	fenceGroup      one for each; it alone touches the group's flows
//	lanes of a fold inside a round, which waits for them
//	Hint, Look      of any goroutine; they only leave a token and never block
//
// So pane state, members and progress of a flow need no locks. Locks guard the list
// of groups, the hinted vector, and what metrics show.
//
// # Failures
//
//	a round fails              nothing is stored; its flows are loaded again
//	one flow fails             it is computed apart, with those that read it or are
//	                           read by it, and shown as standing still
//	the commit is unknown      nothing is assumed: the stored vector tells
//	another owner (fenced)     the flow is loaded again, at a higher epoch
//	the leader ends            it gives up its lease; another node takes the flows
//	                           at a higher epoch
//	the leader dies            the same, when its session is gone for 250 ms
//	the leader stands still    the same, when its lease has run out, after 10 s by
//	                           the database's clock; it ends its rounds after 7 s,
//	                           or when it goes on: until then the fence tells (I4)
//	hints are lost             rounds begin a poll interval later
//	history changed            members and state are dropped, everything stored
//	                           counts as delta
package flownode
