// Package flowstore keeps flows in PostgreSQL: how they are defined, how far each
// is, what is still to be done, and their results.
//
// PostgreSQL is the authority for all of it. What a flownode keeps in memory, pane
// state above all, is a cache that can be built again from raw samples (I7).
//
// # Three sides
//
// The Catalogue says which flows there are. Apply and Delete change it, all flows
// of a call or none; Take makes a flownode the owner of a flow; List, Show and
// Behind tell people how far flows are.
//
// Jobs is the work that is asked for: refills, and which process has a due
// time of scheduled work. The flownode does a refill within the rounds of its flow.
//
// Results writes what a round makes of a flow.
//
// Stored is a snapshot of raw samples in which these can be read as well, for
// those who compare them and take nothing over.
//
// # What is committed together
//
// Commit writes, in one transaction, for each flow of a fence group (I4):
//
//	rows of its result table     what the round has computed
//	clashes                      rows that another rule of its record gives otherwise
//	changes of its alerts        where it is an alerting rule, and notices of them
//	its dirty list               what is still to be computed again
//	its job                      how far the refill is
//	its progress                 the vector up to which all of this is true
//
// So a result table never shows samples that the flow's vector does not cover, and
// none that it covers is missing but for what the dirty list names. All flows of a
// group move at one moment: a query that reads two of their tables sees one
// state of the raw samples.
//
// # One owner
//
// A flow has an epoch. Take raises it, and a round is written only if the flow is
// still at the epoch and at the vector that the round started from; the check
// locks the flow's row until the commit. A flownode that lost its leadership
// without noticing it gets sequence.ErrFenced, and has written nothing. Leadership
// keeps flownodes from working against each other; the fence is what makes results
// right.
//
// # Who locks what
//
// A round locks the rows of its flows (FOR NO KEY UPDATE), by ascending id, then
// writes to their result tables. A change of the catalogue locks the table of
// flows (EXCLUSIVE) before it takes its snapshot, and so sees no round halfway and
// is not overtaken by one. Neither touches raw samples but to read them.
//
// # What it relies on, and what it does not do
//
// Package resulttable knows the tables of results. A flow's table is made by the first
// Take. Package claims decides whose row stands where rules share a table. Package raw
// gives the snapshot in which a flow is applied, so that its first vector and its first
// window belong together. Definitions are read and checked by flowdef. Which windows are
// due, late or to be computed again is decided by flowplan and the flownode, before
// anything comes here: this package writes what a round says, and refuses only what is
// not the round's to write.
package flowstore
