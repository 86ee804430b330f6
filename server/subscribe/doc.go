// Package subscribe answers GET /api/v1/subscribe: it tells others over HTTP what changes
// in the results of flows, so that none of it is missed.
//
// PostgreSQL alone knows what has changed (the log of changes, package
// flownode/changelog). Here nothing is kept that another process, or this one after a
// restart, could not read again, so a stream goes on from its position wherever it is
// served (I10). What is told is state and not history: each window and group once per
// message, with its value as it is now. Whoever is behind gets the same, merged.
//
// For each set of flows that somebody follows there is one tailer. It is woken after a
// commit, by another process's hint, or by a look every second, reads what is new once and
// appends it as a batch to a ring. Streams have no queue. A stream knows only its cut, the
// positions up to which it has been served, and asks the ring for the batch behind it:
//
//	the ring has a batch that begins at or before the cut   it is sent, as all others get it
//	the cut is before the ring                              pages are read from the table until it is not
//	the cut is at the end                                   it waits
//
// So a slow stream takes no memory and holds up nobody: it falls off the ring. A write
// that takes too long ends it.
//
// A batch is read in one snapshot, and so is true at one moment for all its flows. Pages
// of one reading are not: rows of a later page can be newer than the cut that is reached in
// the end. A stream therefore also knows what the newest of its rows may include (seen), and
// says so with progress until its cut has come up to it.
//
// Goroutines: one for each tailer and one for the look, which Run waits for, and those of
// the requests, which the HTTP server waits for. Run's end makes them say bye.
package subscribe
