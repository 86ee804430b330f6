// Package labelindex keeps the label sets of metrics in memory, so that a query asks
// the database only for series that are new since the last one.
//
// A metric's series are read when they are first asked for, and extended from the
// position where the last reading stood (I1: what was created after a vector is
// exactly what a reader at the vector does not know). So what a query gets is at
// least what its own snapshot has; a series that is newer than the snapshot has no
// samples in it, and does no harm. After a change of history everything is read
// again.
//
// It is a cache (I7) with a bound in bytes: what was not asked for longest goes
// first. It matches nothing and knows no samples.
package labelindex
