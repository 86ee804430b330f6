package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/flownode/progress"
	"laminar/queries"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// How a snapshot begins. A lock that has to wait means that a hot table or a
// partition is being dropped right now: waiting longer than that takes would
// only hold up others behind us, so give up quickly and look again.
const (
	snapshotLockTimeout = 200 * time.Millisecond
	snapshotAttempts    = 20
	snapshotPause       = 10 * time.Millisecond // times the attempt's number
)

// Snapshot is one REPEATABLE READ transaction: everything read through it is
// as of one position. It holds a connection of the pool, holds back vacuum and
// keeps the segment tables it may read from being dropped, so it should be
// closed within a few seconds. It is for one goroutine.
type Snapshot struct {
	pool *pgxpool.Pool // for sessions beside
	conn *pgxpool.Conn
	pos  sequence.Position
	hot  string          // what stands in queries for hot_template
	seg  segment.Segment // reused for every segment read

	unpacker segment.Unpacker

	exported string // the snapshot's name for sessions beside; "" before there was one

	tables map[progress.FlowID]*resultTable // of the flows that Flow loaded
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
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	return s.snapshot(ctx, toRead)
}

// purpose is what a snapshot's transaction is for.
type purpose int

const (
	toRead purpose = iota
	// toChangeCatalogue allows writing and locks the catalogue against all
	// other writers. EXCLUSIVE conflicts with the row locks that Commit begins
	// with, so neither waits for the other halfway.
	toChangeCatalogue
)

// begin is the statements up to and without the lock of the segment tables.
func (p purpose) begin() string {
	mode, lock := "read only", ""
	if p == toChangeCatalogue {
		mode, lock = "read write", "lock table flow in exclusive mode;"
	}
	return "begin isolation level repeatable read " + mode + ";" +
		"set local lock_timeout = " + strconv.FormatInt(snapshotLockTimeout.Milliseconds(), 10) + ";" +
		"set local jit = off;" + // compiling takes longer than these queries
		lock
}

func (s *Store) snapshot(ctx context.Context, to purpose) (*Snapshot, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", interpret(err))
	}
	for attempt := 1; ; attempt++ {
		snap, err := s.beginSnapshot(ctx, conn, to)
		if err == nil {
			return snap, nil
		}
		endSnapshot(conn)
		if !snapshotRetry(err) || attempt == snapshotAttempts {
			conn.Release()
			return nil, fmt.Errorf("take snapshot: %w", interpret(err))
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
	return errors.Is(err, errMoved) || lockTimedOut(err) || sqlState(err) == stateUndefinedTable
}

func (s *Store) beginSnapshot(ctx context.Context, conn *pgxpool.Conn, to purpose) (*Snapshot, error) {
	var locked []int32
	if err := conn.QueryRow(ctx, queries.SnapshotGenerations).Scan(&locked); err != nil {
		return nil, fmt.Errorf("list hot tables: %w", err)
	}
	names := []string{"sealed"}
	for _, g := range locked {
		names = append(names, hotTable(g))
	}
	begin := to.begin() + "lock table " + strings.Join(names, ", ") + " in access share mode"
	if _, err := conn.Conn().PgConn().Exec(ctx, begin).ReadAll(); err != nil {
		return nil, fmt.Errorf("lock segment tables: %w", err)
	}
	snap := &Snapshot{pool: s.pool, conn: conn}
	unsealed, err := snap.readPosition(ctx)
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	for _, g := range unsealed {
		if !slices.Contains(locked, g) {
			return nil, errMoved
		}
	}
	snap.hot = hotView(unsealed)
	return snap, nil
}

// readPosition fills the position and returns the unsealed generations.
func (s *Snapshot) readPosition(ctx context.Context) ([]int32, error) {
	var (
		regions, unsealed []int32
		histograms        []int32
		seqs              []int64
		flushes           []pgtype.UUID
	)
	err := s.conn.QueryRow(ctx, queries.SnapshotPosition).
		Scan(&regions, &seqs, &flushes, &s.pos.Now, &s.pos.Earliest, &unsealed, &histograms)
	if err != nil {
		return nil, err
	}
	for _, id := range histograms {
		s.pos.Histograms = append(s.pos.Histograms, sequence.MetricID(id))
	}
	s.pos.Vector, s.pos.Flushes = positionOf(regions, seqs, flushes)
	return unsealed, nil
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

// Close ends the transaction and gives the connection back. The snapshot must
// not be used any more. The context is not used: giving back must work when it has ended.
func (s *Snapshot) Close(context.Context) error {
	if s.conn == nil {
		return nil
	}
	endSnapshot(s.conn)
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

// readError names what a read of a snapshot was doing. After it the transaction
// is of no use any more.
func readError(doing string, err error) error {
	return fmt.Errorf("%s: %w", doing, interpretRead(err))
}

// hotView is the union of generations' hot tables, to stand in a query for the
// empty hot_template of the same shape. The planner sees through it.
func hotView(generations []int32) string {
	if len(generations) == 0 {
		return "hot_template"
	}
	parts := make([]string, len(generations))
	for i, g := range generations {
		parts[i] = "table " + hotTable(g)
	}
	return "(" + strings.Join(parts, " union all ") + ")"
}

// bind makes a query read the unsealed generations of this snapshot.
func (s *Snapshot) bind(query string) string {
	return strings.ReplaceAll(query, "hot_template h", s.hot+" h")
}
