// Package claims decides whose row stands where several rules of one record write to one
// result table, and keeps the rows that do not stand, so that one of them can take the
// place when the one that stands goes.
//
// A rule has a claim to a window and label set when it gives a row for it. The table has
// the claim of the smallest number, and flow_clash the others. Contested looks at what a
// round gives, and CarryOut writes what becomes of it; Inherit follows rules that are
// gone; WithClashes reads all rows of one rule, whether they stand or not.
//
// Everything here happens in the caller's transaction. Package flowstore makes it, locks
// all flows of the table first, and writes the rows that only one rule gives.
package claims
