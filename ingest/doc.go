// Package ingest lands samples in a Store and says when they are durable. It is
// what all sender protocols share; each protocol is a package below it, which
// reads messages and imports this one, never the other way.
//
// The way of a request, which is one Intake:
//
//	the protocol  Ingester.Begin, then for each series of the message:
//	-> registry.go   label bytes -> series; validated once per series
//	-> intake.go     its samples, into a batch per region
//	-> buffer.go     one buffer per region: the draft of its next flush
//	-> attempt.go    one transaction per flush: lock, decide, write, commit
//	<- commit.go     Intake.Commit returns when every region has committed
//
// Who is authoritative for what: the database for everything. The process
// holds caches only: ids and newest samples of the series it has seen, as of
// one position (sequence and flush id) of their region. A flush first locks
// its region (I1) and compares that position with the one it finds; what other
// writers did in between is read before anything is decided, and when history
// is not the one remembered, everything is forgotten. Caches change only by
// commits known to have happened, so any number of processes may write to the
// same regions: they cost each other speed, never exactness.
//
// A flush whose commit is in doubt is neither done nor undone (I2). The
// database is asked; if it does not say in time, the senders are told to send
// again, and the next flush of the region sees which it was, because it locks
// the region first and finds either its own position or one it has to catch
// up with.
//
// Ownership: a region's buffer is guarded by its mutex and filled by request
// goroutines; everything else of a region belongs to the one goroutine that
// Run starts for it.
package ingest
