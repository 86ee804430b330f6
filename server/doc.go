// Package server is a serving process: it joins ingest, the flownode and the
// store, which do not know each other, into one program that runs until it is
// told to stop.
//
// Run opens the database (the private PostgreSQL of a data directory, or one
// that is named), brings it to this binary's schema, makes all parts and runs
// them. It is the one owner of the process's goroutines (parts.go): when a part
// returns, the others are told to end, and Run returns when all have. Then
// the requests under way have been answered, what was buffered is committed, and
// the private PostgreSQL has stopped.
//
// A Config is complete and checked when Run gets it. Where its values come from
// (flags, environment, a file) is the command's business; nothing here reads
// them. What happens inside a part is the part's: web answers requests, upkeep
// does what schedules say, view is how others see it.
package server
