// Package ingest lands samples: whatever protocol brings them, they are durable
// in a Store before the sender is answered (I2).
//
// It knows no protocol and no network. A protocol is a package below this one
// (ingest/remotewrite is the first); it reads its messages and puts what they say
// into an Intake, series by series. What every protocol needs is here: which
// series there are, what is refused, how much is let in at once, one commit for
// many requests, and the decision which samples are ordered.
//
// The way of a request:
//
//	Begin         -> intake.go     one Intake per request
//	Resolve       -> registry/     label bytes -> series; validated once per series
//	Add           -> request.go    one batch per region the request touches
//	Commit        -> buffer.go     one buffer per region: the draft of its next flush
//	                 draft.go      the samples of one flush, from many requests
//	the flusher   -> attempt.go    one transaction per flush: lock, decide, write, commit
//	                 order.go      what is known of the region, and is it still true
//	                 build.go      segments, ordered samples apart from late ones
//	the answer    <- request.go    when every region has committed
//
// # Who is right
//
// The database is, about everything. The process holds caches only: ids and
// newest samples of the series it has seen, true at one position (sequence and
// flush id) of their region. A flush first locks its region (I1) and compares that
// position with the one it finds. What other writers did in between is read before
// anything is decided; when history is not the one remembered, everything is
// forgotten. Caches change only by commits known to have happened. So any number
// of processes may write to the same regions: they cost each other speed, never
// exactness.
//
// # What may fail
//
//   - A flush that cannot be written is undone; its requests are told to come
//     again. A repeat finds what did land and writes it no second time.
//   - A commit in doubt is neither done nor undone (I2). The database is asked. If
//     it does not say in time, the senders are told to send again, and the next
//     flush of the region sees which it was: it locks the region first and finds
//     either its own position or one that it has to catch up with.
//   - Content that the database refuses fails the flush, not the requests beside
//     it: each is written by itself, and only the one at fault is refused.
//   - Too much at once is refused before memory is taken (budget.ErrBusy).
//
// # Ownership
//
// A region's buffer is guarded by its mutex and filled by request goroutines;
// everything else of a region belongs to the one goroutine that Run starts for it,
// its flusher. An Intake belongs to its request's goroutine. Of what a series has,
// registry.Series says field by field which of them may touch it.
package ingest
