// Package sqlstore opens a database of Laminar, and has what several processes need
// of it beside data: who leads, and hints of what is new.
//
// PostgreSQL is the authority for everything durable: sequences, samples, series,
// flows with their progress, results. What a process keeps in memory is a cache of
// it. No package but those below here speaks to it:
//
//	pg          connections, sessions, locks, COPY, the door for errors
//	raw         one server's raw samples: flush, snapshot, seal, retain
//	flowstore   flows, jobs, results
//	schema      migrations, installation
//
// flowstore imports raw and pg, raw and schema import pg, and none imports what is
// above it. A Store holds one of each, and adds nothing to them: to write samples,
// take the Store's Writer.
//
// Leadership is a lease, a row that only the database's clock judges: it keeps
// flownodes from doing the same work twice. Hints go over NOTIFY and may be lost (I5). Neither
// makes anything right: what the flows' epochs and vectors do not allow is refused,
// and what no hint told is found by polling.
//
// Statements are in files, see package queries. Errors of the driver are looked at
// in pg/errors.go and nowhere else; callers test for the sentinels of package
// sequence.
package sqlstore
