// Package sandbox is a world for flows without a database: raw data, catalogue and
// result tables in memory (MemStore), with all the ports of a flownode. Tests of the
// core run on it, and so does `laminar flow test`.
//
// It keeps the same promises as the store on PostgreSQL, as simply as can be: what it
// is asked for is found by looking at everything. Nothing of it lasts, and it forgets
// nothing, so it is for as many samples as a person writes down.
package sandbox
