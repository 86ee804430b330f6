// Package sessionround is what a round makes of a flow of sessions, between reading the
// delta and storing the results. Package round says when; this package says which rows.
//
//	Rows   what is stored of sessions that are not closed; a cache (I7)
//	Work   one round's changes
//
// A session is a row of its own: window_start and window_end are its first and its last
// sample, and its key is its end, as no two sessions of a group end at once. It moves
// while the session grows. Sessions that end up to the flow's emitted-until are closed.
//
// Three ways lead to the rows that change:
//
//	new samples        of the groups concerned, what is stored of open sessions is
//	                   compared with what is found now
//	late samples       of the groups concerned, closed sessions as they were before are
//	                   compared with what is found now, as far as memory reaches back
//	                   (keep.Before)
//	anything else      sessions that end in a stretch of time are found from memory, or
//	                   from raw samples, and compared with the rows that are stored
//
// All changes of a round are stored in one commit. So a late sample that joins two
// sessions takes two rows away and adds one, and nobody sees anything between.
//
// The package has no clock and starts no goroutine.
package sessionround
