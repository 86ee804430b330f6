package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"laminar/sequence/segment"
)

// Sending columns is most of the work of reading them, and one session of
// PostgreSQL does it on one core. So a large reading is shared between two
// sessions in one snapshot, by region: of a series all samples are in one, and
// their order is kept.
const (
	// besideAfter is after how many samples the other session is started.
	besideAfter = 100_000
	// besideWait is how long to wait for a connection that is free. Without one,
	// and that can be for as long as others wait for ours, one session reads it all.
	besideWait = 20 * time.Millisecond
)

// readFunc reads segments of some regions on a session's connection.
type readFunc func(ctx context.Context, on *Snapshot, regions []int32, fn func(*segment.Segment) error) error

// share runs read for all regions, for half of them beside the snapshot's own
// session once that has proved large. fn is never called by two at once.
func (s *Snapshot) share(ctx context.Context, regions []int32, fn func(*segment.Segment) error, read readFunc) error {
	if len(regions) < 2 {
		return read(ctx, s, regions, fn)
	}
	if s.exported == "" {
		// Now, as no statement can be sent while one is being read.
		if err := s.conn.QueryRow(ctx, "select pg_export_snapshot()").Scan(&s.exported); err != nil {
			return readError("export the snapshot", err)
		}
	}
	var (
		own, others = regions[:len(regions)/2], regions[len(regions)/2:]
		samples     int
		beside      sync.WaitGroup
		started     bool
		absent      bool // there is no other session; after Wait

		mu     sync.Mutex // held while fn runs
		failed error      // what ends both readings; guarded by mu
	)
	fail := func(err error) error {
		if failed == nil {
			failed = err
		}
		return failed
	}
	serial := func(seg *segment.Segment) error {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil {
			return failed
		}
		if err := fn(seg); err != nil {
			return fail(err)
		}
		return nil
	}
	besideCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := read(ctx, s, own, func(seg *segment.Segment) error {
		if samples += seg.Len(); samples >= besideAfter && !started {
			started = true
			beside.Go(func() {
				err := s.readBeside(besideCtx, others, serial, read)
				if absent = errors.Is(err, errNotBeside); err != nil && !absent {
					mu.Lock()
					defer mu.Unlock()
					_ = fail(err)
				}
			})
		}
		return serial(seg)
	})
	if err != nil {
		cancel()
	}
	beside.Wait()
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case started && !absent:
		return nil
	}
	return read(ctx, s, others, serial)
}

// errNotBeside says that there is no other session and nothing was read.
var errNotBeside = errors.New("no session beside the snapshot's own")

// readBeside reads in a session of its own.
func (s *Snapshot) readBeside(ctx context.Context, regions []int32, fn func(*segment.Segment) error, read readFunc) error {
	waiting, cancel := context.WithTimeout(ctx, besideWait)
	defer cancel()
	conn, err := s.pool.Acquire(waiting)
	if err != nil {
		return errNotBeside
	}
	defer conn.Release()
	defer endSnapshot(conn)
	// The tables are locked by the snapshot's own session, which outlives this.
	begin := "begin isolation level repeatable read read only; set transaction snapshot " + quoteText(s.exported) + "; set local jit = off"
	if _, err := conn.Conn().PgConn().Exec(ctx, begin).ReadAll(); err != nil {
		return fmt.Errorf("%w: %w", errNotBeside, err)
	}
	return read(ctx, &Snapshot{conn: conn, pos: s.pos, hot: s.hot}, regions, fn)
}
