// Package raw keeps the raw samples of one PostgreSQL server: it takes flushes
// in, shows snapshots of them, and moves them on until they are given up.
//
// PostgreSQL is the authority for samples, series, metrics, regions and
// generations. What a process keeps of them is a cache: everything here can be
// done by several processes at once, and any of them can end at any moment.
//
// # Three sides
//
// A Writer takes samples in. BeginFlush locks a region's row and takes the next
// sequence, Commit writes the flush's segments and commits them. The row stays
// locked from the one to the other, so a region commits one flush at a time and
// the order of commits is the order of sequences (I1). What Commit has returned
// without an error is durable (I2).
//
// A Reader shows them. A Snapshot is one REPEATABLE READ transaction at one
// position, a vector of sequences: it sees of each region exactly the flushes up
// to the region's sequence, and none after it.
//
// A Keeper moves them on. Freeze closes the generation that is written to, Seal
// merges closed generations, DropUnused drops the tables that no reader can need any
// more. A Retainer decides which samples are kept: Retain gives up what is too old (I6).
//
// # Where a sample is
//
//	hot_<g>, generation current  -- Freeze -->  hot_<g>, frozen  -- Seal -->  sealed
//
// A hot table holds segments as they were flushed, each with the sequence of its
// flush. sealed holds merged segments, partitioned by time bucket: of a sample
// only the span of sequences of its segment is known.
//
// A reader sees every sample exactly once, whatever it holds a snapshot of:
//
//   - Sealing copies. It writes the merged segments and marks the generation as
//     sealed in one transaction, so a snapshot shows both or neither.
//   - A reader takes from hot tables only what its own snapshot shows as
//     unsealed, and so reads a sample before the move or after it.
//   - A hot table is dropped later: after every transaction has ended that could
//     have a snapshot from before the seal. DROP TABLE is not MVCC-safe, so a
//     snapshot locks the tables that it may read before it is taken.
//
// # Locks
//
// A flush holds its region's row. A freeze, and what removes metrics (package lapsed),
// hold more than one of them, and take them by ascending id. A snapshot holds ACCESS
// SHARE on the segment tables that it may read, a seal ROW EXCLUSIVE on sealed, a
// drop ACCESS EXCLUSIVE on the one table that it drops.
//
// Flushes and freezes touch no table that is dropped: what they write to is
// current, and what a flush reads stays while its transaction runs. So only a
// drop can have to wait for a reader, and it gives up soon, rather than hold up
// the readers that come behind it.
//
// Generations move on under a lease. It saves work: that no generation
// is sealed twice is seen to by the row of the generation.
//
// # What it relies on, and what it does not do
//
// It relies on package pg: settings of sessions, sentinels for errors, COPY. Two
// of its statements look at the table of flows, which belongs to flowstore:
// seal_behind counts the flows that have not read a generation, and flush_prune
// keeps the flushes that tell a flow whether history has changed. They read one
// column, the flow's vector; raw writes nothing there.
//
// It decides nothing about samples. Which samples of a flush are ordered is
// ingest's decision, for which Missed gives the facts; what a late sample makes
// dirty is the flownode's. Nothing here retries unless its comment says so: a failed
// flush goes back to the sender, a failed round to the flownode. There is no
// schedule either: package server/upkeep says when to seal.
package raw
