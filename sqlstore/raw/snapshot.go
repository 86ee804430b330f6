package raw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// A snapshot is what a round reads from, and what makes its results exact: all its
// statements see one position, so what is computed from them can be committed
// together with that position. It must be short. While it is open, PostgreSQL
// keeps every row version that it might see, and no segment table can be dropped.
//
// Why the tables are locked first, and looked at again afterwards:
//
//	1  list hot tables       hot_3 frozen, hot_4 current
//	2  LOCK both and sealed  a drop of hot_3 that was under way is over now: then
//	                         this fails, and it begins again
//	3  read the position     the snapshot: generations 4 and 5 are unsealed
//	4  compare               5 came with a freeze between 1 and 3 and is not
//	                         locked: begin again
//
// What an earlier snapshot has found serves as the list of 1 just as well: 4 notices
// what came meanwhile, 2 what was dropped.
//
// Between 2 and 3 hot_3 may have been sealed. It is still locked, and no longer
// read: its samples are in sealed, which the same snapshot shows.

// How a snapshot begins. A lock that has to wait means that a hot table or a
// partition is being dropped right now: waiting longer than that takes would
// only hold up others behind us, so give up quickly and look again.
const (
	snapshotLockTimeout = 200 * time.Millisecond
	snapshotAttempts    = 20
	snapshotPause       = 10 * time.Millisecond // times the attempt's number
)

// Reader reads raw samples. All methods are safe for concurrent use.
type Reader struct {
	db  *pg.DB
	hot atomic.Pointer[[]int32] // the unsealed generations that the last snapshot has shown; nil where a snapshot must look first
}

// NewReader makes a reader.
func NewReader(db *pg.DB) *Reader { return &Reader{db: db} }

// Snapshot is one REPEATABLE READ transaction: everything read through it is
// as of one position. It holds a connection of the pool, holds back vacuum and
// keeps the segment tables it may read from being dropped, so it should be
// closed within a few seconds. It is for one goroutine.
type Snapshot struct {
	pool *pgxpool.Pool // for sessions beside
	conn *pgxpool.Conn // nil once it is closed
	pos  sequence.Position
	hot  []int32         // the unsealed generations
	seg  segment.Segment // reused for every segment read

	unpacker segment.Unpacker // with the buffers that seg is unpacked into

	exported string           // the snapshot's name for sessions beside; "" before there was one
	ending   pgx.BatchResults // of what ends the transaction, once it was sent
}

// errMoved says that a generation came or went between looking and locking.
var errMoved = errors.New("generations moved while the snapshot was taken")

// Snapshot begins a snapshot.
//
// The tables are locked (ACCESS SHARE) before the snapshot is taken, because a
// drop is not MVCC-safe: a snapshot that is older than the drop would find the
// samples nowhere. LOCK TABLE takes no snapshot, so the order holds inside one
// transaction. A freeze in between adds a generation that is not locked yet;
// then everything is given back and tried again.
//
// What along adds to a batch is read in the same round trip. It may be called several
// times; what is read after the last call is the snapshot's.
func (r *Reader) Snapshot(ctx context.Context, along ...func(*pgx.Batch)) (*Snapshot, error) {
	return r.snapshot(ctx, "read only", "", along)
}

// SnapshotToWrite begins a snapshot whose transaction may write to other tables
// than those of raw samples, through Session. lock is a LOCK TABLE statement for
// these, which runs before the snapshot is taken.
func (r *Reader) SnapshotToWrite(ctx context.Context, lock string) (*Snapshot, error) {
	return r.snapshot(ctx, "read write", lock, nil)
}

// snapshot begins a snapshot in a mode, read only or read write, after the lock
// statement, and tries again while tables come and go. All attempts are on one
// connection: a second one might not be free.
func (r *Reader) snapshot(ctx context.Context, mode, lock string, along []func(*pgx.Batch)) (*Snapshot, error) {
	conn, err := r.db.Pool().Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", pg.Interpret(err))
	}
	// A seal of many generations drops many tables, one after the other; each can be
	// met once.
	for attempt := 1; ; attempt++ {
		known := r.hot.Load()
		snap, err := r.beginSnapshot(ctx, conn, mode, lock, known, along)
		if err == nil {
			return snap, nil
		}
		endSnapshot(conn)
		if known != nil && snapshotRetry(err) {
			// What was remembered is old. Of a table that is gone, or new, nothing need be
			// under way; one that is locked may be on its way out for long.
			r.hot.CompareAndSwap(known, nil)
			if !pg.LockTimedOut(err) && attempt < snapshotAttempts {
				continue
			}
		}
		// Who changes something says how long to wait for others, and asks again.
		theirs := lock != "" && pg.LockTimedOut(err)
		if !snapshotRetry(err) || theirs || attempt == snapshotAttempts {
			conn.Release()
			return nil, fmt.Errorf("take snapshot: %w", pg.Interpret(err))
		}
		select {
		case <-ctx.Done():
			conn.Release()
			return nil, fmt.Errorf("take snapshot: %w", ctx.Err())
		case <-time.After(time.Duration(attempt) * snapshotPause):
		}
	}
}

// snapshotRetry reports whether a snapshot failed only because a table was
// created or dropped meanwhile.
func snapshotRetry(err error) bool {
	return errors.Is(err, errMoved) || pg.LockTimedOut(err) || pg.NoTable(err)
}

// beginSnapshot is one attempt: look which hot tables there are, lock them, take
// the snapshot, and see whether it shows the same ones. Only then is it certain
// that every table it may read is there and stays.
//
// With generations that are known from an earlier snapshot it does not look, and fails
// where the snapshot shows others. A table that is sealed meanwhile must not be locked by
// who does not read it: that would hold up its drop.
func (r *Reader) beginSnapshot(ctx context.Context, conn *pgxpool.Conn, mode, lock string, known *[]int32, along []func(*pgx.Batch)) (*Snapshot, error) {
	var locked []int32
	if known != nil {
		locked = *known
	} else if err := conn.QueryRow(ctx, queries.SnapshotGenerations).Scan(&locked); err != nil {
		return nil, fmt.Errorf("list hot tables: %w", err)
	}
	names := []string{"sealed"}
	for _, g := range locked {
		names = append(names, queries.HotTable(g))
	}
	begin := "begin isolation level repeatable read " + mode
	locking := "lock table " + strings.Join(names, ", ") + " in access share mode"
	// In one round trip. None of these statements takes the snapshot; the position's does.
	batch := &pgx.Batch{} // without JIT: compiling takes longer than these queries
	for _, statement := range []string{begin, "set local lock_timeout = " + pg.Milliseconds(snapshotLockTimeout), "set local jit = off", lock, locking} {
		if statement != "" {
			batch.Queue(statement)
		}
	}
	snap, unsealed := &Snapshot{pool: r.db.Pool(), conn: conn}, []int32(nil)
	snap.queuePosition(batch, &unsealed)
	for _, add := range along {
		add(batch)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("lock segment tables and read positions: %w", err)
	}
	// One that was locked and is sealed by now does no harm: it is not read. One
	// that is new is not locked.
	for _, g := range unsealed {
		if !slices.Contains(locked, g) {
			return nil, errMoved
		}
	}
	switch {
	case known == nil:
		r.hot.Store(&unsealed)
	case len(unsealed) != len(locked):
		return nil, errMoved
	}
	snap.hot = unsealed
	return snap, nil
}

// queuePosition fills the position and the unsealed generations when the batch is sent. Its
// statement is the first of the transaction that reads a table, and so the moment that the
// snapshot is of.
func (s *Snapshot) queuePosition(batch *pgx.Batch, unsealed *[]int32) {
	batch.Queue(queries.SnapshotPosition).QueryRow(func(row pgx.Row) error {
		var (
			regions, histograms []int32
			seqs                []int64
			flushes             []pgtype.UUID
		)
		if err := row.Scan(&regions, &seqs, &flushes, &s.pos.Now, &s.pos.Earliest, unsealed, &histograms, &s.pos.Removed); err != nil {
			return err
		}
		for _, id := range histograms {
			s.pos.Histograms = append(s.pos.Histograms, sequence.MetricID(id))
		}
		s.pos.Vector, s.pos.Flushes = positionOf(regions, seqs, flushes)
		return nil
	})
}

// positionOf puts the columns of regions together; regions without a commit
// are left out of both.
func positionOf(regions []int32, seqs []int64, flushes []pgtype.UUID) (sequence.Vector, map[sequence.Region]sequence.FlushID) {
	vec := make(sequence.Vector, len(regions))
	ids := make(map[sequence.Region]sequence.FlushID, len(regions))
	for i, r := range regions {
		if seqs[i] == 0 {
			continue
		}
		vec[sequence.Region(r)] = sequence.Seq(seqs[i])
		if flushes[i].Valid {
			ids[sequence.Region(r)] = flushes[i].Bytes
		}
	}
	return vec, ids
}

// Position is where the snapshot stands. Its maps must not be changed.
func (s *Snapshot) Position() sequence.Position { return s.pos }

// Session is the snapshot's session, for what else is to be read, or written, at
// the same position. It must not end the transaction.
func (s *Snapshot) Session() pg.Querier { return s.conn }

// Commit makes durable what was written through Session, of a snapshot to write.
// Only Close may be called after it. An error is sequence.ErrCommitUnknown where
// it may have been committed all the same.
func (s *Snapshot) Commit(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "commit")
	return pg.InterpretCommit(err)
}

// End ends the transaction without waiting until it has ended: nothing can be read any more.
func (s *Snapshot) End() {
	batch := &pgx.Batch{}
	batch.Queue("rollback")
	s.ending = s.conn.SendBatch(context.Background(), batch)
}

// Close ends the transaction and gives the connection back. The snapshot must
// not be used any more. The context is not used: giving back must work when it has ended.
func (s *Snapshot) Close(context.Context) error {
	if s.conn == nil {
		return nil
	}
	if s.ending == nil || s.ending.Close() != nil {
		endSnapshot(s.conn)
	}
	s.conn.Release()
	s.conn = nil
	return nil
}

// endSnapshot rolls back, in its own time: the caller's context may have ended
// already. If it fails the pool sees the open transaction and drops the
// connection, which ends it as well.
func endSnapshot(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = conn.Conn().PgConn().Exec(ctx, "rollback").ReadAll()
}

// bind makes a query read the unsealed generations of this snapshot.
func (s *Snapshot) bind(query string) string { return queries.OnHots(query, s.hot) }
