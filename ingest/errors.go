package ingest

import "errors"

// Why a request was not stored; the others come from packages budget and sequence.
// Sending it again may help.
var (
	// ErrClosed: Run has ended or is about to.
	ErrClosed = errors.New("ingest is shutting down")

	// ErrForgotten: history was not the one remembered. Everything cached has
	// been dropped and the flush is to begin again.
	ErrForgotten = errors.New("history of the region has changed")

	// ErrTooLongAgo: the position remembered can be compared with nothing any
	// more, since flushes are remembered for a time only. Everything cached of
	// the region has been dropped and the flush is to begin again.
	ErrTooLongAgo = errors.New("the region's last known flush is not remembered any more")
)
