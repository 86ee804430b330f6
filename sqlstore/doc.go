// Package sqlstore opens a database of Laminar, and has what several processes need
// of it beside data: who leads, and hints of what is new.
//
// PostgreSQL is the authority for everything durable: sequences, samples, series,
// flows with their progress, results, alerts. What a process keeps in memory is a
// cache of it. No package but those below here speaks to it:
//
//	pg           connections, sessions, locks, COPY, the door for errors
//	raw          one server's raw samples: flush, snapshot, seal, retain
//	senders      replicas, and metadata of metrics
//	lapsed       removing series without samples
//	census       counting series for people
//	flowstore    flows, jobs, and the commits of rounds
//	claims       whose row stands where rules share a table
//	applyplan    what applying definitions does; pure
//	resulttable  the tables that flows write to
//	alertstore   alerts, their changes, and notices
//	schema       migrations, installation, rights of roles
//
// flowstore imports raw, applyplan, claims, resulttable and alertstore, claims imports
// resulttable, lapsed imports raw, all but applyplan import pg, and none imports what is
// above it. A Store holds what a process needs of them, and adds nothing: to write
// samples, take the Store's Writer.
//
// Leadership is a lease, a row that only the database's clock judges: it keeps
// flownodes from doing the same work twice. Hints go over NOTIFY and may be lost (I5).
// Neither makes anything right: what the flows' epochs and vectors do not allow is
// refused, and what no hint told is found by polling.
//
// Statements are in files, see package queries. Errors of the driver are looked at
// in pg/errors.go and nowhere else; callers test for the sentinels of package
// sequence.
package sqlstore
