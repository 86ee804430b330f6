// Package resulttable is the tables that flows write to: how one is named, made, checked
// and dropped, how it takes the place of another, and the statements that read and
// write a flow's rows.
//
// # Tables of results
//
// A flow's table is in the schema that was configured when the flow was applied, with a
// column for each label where the labels are known and few, else with one jsonb column.
// It is the user's to read, to index, to join. Its comment says that Laminar made it; a
// table without that comment is never written to or dropped.
//
// # What it relies on, and what it does not do
//
// What a table must be follows from the flow's definition alone (flowdef.Layout). The
// package knows no catalogue, no progress and no jobs, and locks nothing: flowstore has
// locked the flow whose rows are written, and the catalogue where a table is made or
// dropped. Transactions are the caller's.
package resulttable
