// Package sqlstore is PostgreSQL: the only package that speaks to it.
//
// PostgreSQL is the authority for everything durable: sequences, samples,
// series, flows with their progress, results. What a process keeps in memory
// is a cache of it.
//
// The raw side: BeginFlush locks a region's row, takes the next sequence (I1)
// and returns a FlushTx, which writes one flush and commits it (I2). Freeze
// closes the generation that is written to, Seal merges frozen generations,
// Retain gives up old samples (I6), DropUnused drops the tables that no reader
// can need any more.
//
// How a sample moves, and why a reader sees it exactly once whatever it holds
// a snapshot of:
//
//	hot_<g>, generation current  -- Freeze -->  hot_<g>, frozen  -- Seal -->  sealed
//
// Sealing copies: it writes the merged segments and marks the generation
// sealed in one transaction. A reader takes from hot tables only what its own
// snapshot shows as unsealed, so it reads the samples before or after the
// move. The hot table itself is dropped later, when every transaction that
// could have a snapshot from before has ended.
//
// Errors of the driver are looked at in errors.go and nowhere else; callers
// test for the sentinels of package sequence.
package sqlstore
