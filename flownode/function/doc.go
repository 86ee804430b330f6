// Package function is the table of PromQL functions that Laminar keeps
// incrementally, with everything that the rest of the code needs to know of
// them. A definition is compiled by it (flowdef), pane state is built by it
// (keep), results are checked by it (verify), and docs/definitions.md prints it.
//
// A function is an entry of the table: the kind of partial it is kept as, what
// it makes of one (Finish), and what it does to labels, stale markers and
// rounding. To add one, write its entry; where no kind of partial in package
// partial serves it, write that too, and let columngen make its loops. The
// compiler then asks every Keeper for a method for the new kind. The tests walk
// the table: each entry must be complete, its partial must keep its laws, its
// values must be Prometheus's within the entry's own bound, and the documents
// must show it.
//
//	F1  Named(f.Name) == f for every f of All but Instant
//	F2  what Finish says of the merge of partials, in order of time, is what
//	    Prometheus says of all their samples, within Slack
//	F3  for every aggregation of MergesUnder, Finish of the merge over all
//	    series of a group equals the aggregation of Finish over each
//	F4  where Always, a series has a value exactly where it has a sample
//
// Functions that are not kept have an entry too, which says why (Unkept).
//
// The package is pure: no SQL, no clock, no goroutines. It knows names and not
// syntax: what stands where in an expression is for flowdef.
package function
