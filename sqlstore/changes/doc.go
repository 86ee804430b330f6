// Package changes is the change log of results: which rows of which windows each commit
// of a flow has changed, by their keys. The values are in the flow's table.
//
// Rounds write it in the transaction that writes the rows (I4), with a Log that gathers
// what the statements answer. Whoever follows a flow reads it in a Snapshot: where flows
// stand, and what changed since a position, with the rows as they are now. So changes are
// state and not history: each window comes once, however many commits lie between.
//
//	L1  A commit that changes rows of a flow, or closes windows of it, raises the flow's
//	    position by one, with the flow's row locked: positions become visible in order.
//	L2  Who has the table as of position P, floor <= P, and applies what changed in
//	    (P, S], has the table as of S.
//	L3  The floor is committed before anything below it is deleted, and only grows.
//	L4  What changes rows without the log begins another incarnation of the flow.
//
// Of what people do to a table by hand it is noticed that they drop or empty it: its flows
// then have another incarnation. Rows that they change or delete are found by who compares
// them with raw samples, and says so with Renew.
//
// The package keeps the log small (Prune) and relies on nobody reading it faster than
// that: a reader that has fallen below the floor reads the table.
package changes
