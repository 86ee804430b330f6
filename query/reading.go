package query

import (
	"context"
	"errors"

	"laminar/flownode/progress"
	"laminar/query/labelindex"
	"laminar/query/rows"
	"laminar/sequence"
)

// StorageError says that what a query asks for could not be read.
type StorageError struct{ Err error }

func (e *StorageError) Error() string { return e.Err.Error() }

// Unwrap is what happened.
func (e *StorageError) Unwrap() error { return e.Err }

// reading is what one query reads from: one snapshot, which is taken when it is first
// asked for, once the query may be under way. It is for one goroutine.
type reading struct {
	meter
	store       Store
	labels      *labelindex.Index
	rows        *rows.Kept
	provisional bool     // results of windows that are not closed are read, too
	running     bool     // it counts among those under way
	large       bool     // it has the turn to hold many samples
	names       []string // that the query's selectors have
	snap        Snapshot // nil before it is taken
	pos         sequence.Position
	taken       bool // snap was taken
	read        bool // everything was read
	pending     int  // selectors still to be read; negative where that is not known

	known map[string][]progress.Flow // by name: the flows that the snapshot was asked for
}

// snapshot is the snapshot.
func (r *reading) snapshot(ctx context.Context) (Snapshot, error) {
	if r.snap != nil && !r.read {
		return r.snap, nil
	}
	if r.taken {
		return nil, errors.New("the snapshot is closed: more was asked for than the query selects")
	}
	if err := r.acquire(ctx); err != nil {
		return nil, err
	}
	r.running = true
	snap, err := r.store.Snapshot(ctx, r.names)
	if err != nil {
		return nil, &StorageError{err}
	}
	r.snap, r.pos, r.taken = snap, snap.Position(), true
	return snap, nil
}

// kept is the part of a span of which samples have not been given up. The snapshot has
// been taken.
func (r *reading) kept(span sequence.Span) sequence.Span {
	span.After = max(span.After, r.pos.Earliest-1)
	return span
}

// selected notes that a selector was read: after the last one the snapshot has served.
func (r *reading) selected() {
	if r.pending--; r.pending == 0 {
		r.closeSnapshot()
	}
}

// closeSnapshot ends the snapshot. What was read of it is computed with while it ends.
func (r *reading) closeSnapshot() {
	if r.snap != nil && !r.read {
		r.snap.End()
		r.read = true
	}
}

// end gives everything back.
func (r *reading) end() {
	r.closeSnapshot()
	if r.snap != nil {
		_ = r.snap.Close(context.Background()) // a connection that is broken is noticed by its pool
		r.snap = nil
	}
	r.give()
	if r.large {
		r.large = false
		<-r.turn
	}
	if r.running {
		r.running = false
		r.release()
	}
}
