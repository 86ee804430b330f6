package raw

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// Sending columns is most of the work of reading them, and one session of
// PostgreSQL does it on one core. So a large reading is shared between
// sessions in one snapshot, by region: of a series all samples are in one, and
// their order is kept.
//
// Two things are divided, and not in the same way. The regions are divided into
// parts, one for each session. The parts are divided among the functions: with
// four parts and two functions, the first function gets parts 1 and 3. A function
// is never called by two sessions at once, so it needs no lock of its own; and
// which function gets a region depends on numbers alone, never on who was quicker,
// so what is folded by two functions comes out the same each time.
const (
	// besideAfter is after how many samples the other sessions are started.
	besideAfter = 100_000
	// besideWait is how long to wait for a free connection. If there is none, one
	// session reads everything. To wait longer could be to wait for processes that
	// wait for the connection that this snapshot holds.
	besideWait = 20 * time.Millisecond
	// leastSessions is how many sessions share a reading at least, even where what
	// they read goes to one function.
	leastSessions = 2
)

// segmentFunc takes a segment, which is valid only until it returns.
type segmentFunc = func(*segment.Segment) error

// readFunc reads segments of some regions on a session's connection.
type readFunc func(ctx context.Context, on *Snapshot, regions []int32, fn segmentFunc) error

// share runs read for all regions, for parts of them beside the snapshot's own
// session once that has proved large. Each region's segments go to one of the
// functions, which does not depend on who reads them; none is ever called by two
// at once.
func (s *Snapshot) share(ctx context.Context, regions []int32, fns []segmentFunc, read readFunc) error {
	if len(regions) < 2 { // nothing to divide
		return read(ctx, s, regions, fns[0])
	}
	if s.exported == "" {
		// Now, as no statement can be sent while one is being read.
		if err := s.conn.QueryRow(ctx, "select pg_export_snapshot()").Scan(&s.exported); err != nil {
			return pg.ReadError("export the snapshot", err)
		}
	}
	// The first part is read by the snapshot's own session, and tells by its size
	// whether the others are worth a session each. Where it does not, or there is
	// none to be had, they are read afterwards, one by one.
	var (
		r       = newSharedReading(regions, fns)
		own     = r.parts[0].fn
		samples int // of the first part, so far
		beside  sync.WaitGroup
		started bool
	)
	besideCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := read(ctx, s, r.parts[0].regions, func(seg *segment.Segment) error {
		if samples += seg.Len(); samples >= besideAfter && !started {
			started = true
			for i := range r.parts[1:] {
				part := &r.parts[1+i]
				beside.Go(func() {
					err := s.readBeside(besideCtx, part.regions, part.fn, read)
					if part.read = !errors.Is(err, errNotBeside); err != nil && part.read {
						_ = r.fail(err)
						cancel()
					}
				})
			}
		}
		return own(seg)
	})
	if err != nil {
		cancel() // or Wait would wait for readings that are not needed
	}
	beside.Wait()
	if err != nil {
		return err
	}
	if err := r.error(); err != nil {
		return err
	}
	for _, part := range r.parts[1:] {
		if part.read {
			continue
		}
		if err := read(ctx, s, part.regions, part.fn); err != nil {
			return err
		}
	}
	return nil
}

// sharedReading is a reading in parts, each of which a session reads. The parts are
// disjoint and together have all regions. The first error ends all of them: a
// reading is of use only as a whole.
type sharedReading struct {
	parts []readPart

	mu     sync.Mutex
	failed error // what ends all parts; guarded by mu
}

// readPart is what one session reads.
type readPart struct {
	regions []int32
	fn      segmentFunc
	read    bool // by a session beside; known when that has ended
}

// newSharedReading makes parts for the functions. Where there are more parts,
// those that share a function call it one after the other.
func newSharedReading(regions []int32, fns []segmentFunc) *sharedReading {
	r := &sharedReading{parts: make([]readPart, min(len(regions), max(len(fns), leastSessions)))}
	locks := make([]sync.Mutex, len(fns))
	for i := range r.parts {
		from, to := i*len(regions)/len(r.parts), (i+1)*len(regions)/len(r.parts)
		fn, lock := fns[i%len(fns)], &locks[i%len(fns)]
		r.parts[i].regions = regions[from:to]
		r.parts[i].fn = func(seg *segment.Segment) error {
			if err := r.error(); err != nil {
				return err
			}
			lock.Lock()
			defer lock.Unlock()
			if err := fn(seg); err != nil {
				return r.fail(err)
			}
			return nil
		}
	}
	return r
}

// fail ends all parts; the first error counts.
func (r *sharedReading) fail(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
	return r.failed
}

// error is what has ended all parts, nil so far.
func (r *sharedReading) error() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// errNotBeside says that there is no other session and nothing was read.
var errNotBeside = errors.New("no session beside the snapshot's own")

// readBeside reads in a session of its own, which imports the snapshot and so sees
// exactly what the snapshot's own session sees. It gives errNotBeside when no
// connection is free soon, or when the snapshot cannot be imported, before fn has
// been called.
func (s *Snapshot) readBeside(ctx context.Context, regions []int32, fn segmentFunc, read readFunc) error {
	waiting, cancel := context.WithTimeout(ctx, besideWait)
	defer cancel()
	// The pool may be full of others who wait for what we hold.
	conn, err := s.pool.Acquire(waiting)
	if err != nil {
		return errNotBeside
	}
	defer conn.Release()
	defer endSnapshot(conn)
	// The tables are locked by the snapshot's own session, which outlives this.
	begin := "begin isolation level repeatable read read only; set transaction snapshot " + pg.QuoteText(s.exported) + "; set local jit = off"
	if _, err := conn.Conn().PgConn().Exec(ctx, begin).ReadAll(); err != nil {
		return fmt.Errorf("%w: %w", errNotBeside, err)
	}
	return read(ctx, &Snapshot{conn: conn, pos: s.pos, hot: s.hot}, regions, fn)
}
