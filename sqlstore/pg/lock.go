package pg

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sequence"
)

// lockPoll is how often a lock that another process holds is tried again. The
// lock is polled and not waited for in the server: a waiting session would hold
// a snapshot, and with it back vacuum and drops.
const lockPoll = 50 * time.Millisecond

// LockKey is the key of an advisory lock for a purpose of this installation.
// Advisory locks belong to the database, which can hold several schemas.
func (db *DB) LockKey(purpose string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("laminar " + purpose + " " + db.schema))
	return int64(h.Sum64())
}

// LockOut makes this the only process that does purpose, until the returned
// function is called. It waits for another one up to limit and then returns
// sequence.ErrUnavailable.
//
// The lock belongs to a session of its own. Should that session break, another
// process can begin: what is done under the lock must still be safe then, only
// not useful.
func (db *DB) LockOut(ctx context.Context, purpose string, limit time.Duration) (unlock func(), err error) {
	conn, err := db.Dedicated(ctx)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(limit)
	for {
		got, err := TryLock(ctx, conn, db.LockKey(purpose))
		if err != nil {
			CloseConn(conn)
			return nil, Interpret(err)
		}
		if got {
			return func() { CloseConn(conn) }, nil
		}
		if time.Now().After(deadline) {
			CloseConn(conn)
			return nil, fmt.Errorf("%w: another process holds the lock %q", sequence.ErrUnavailable, purpose)
		}
		if err := Sleep(ctx, lockPoll); err != nil {
			CloseConn(conn)
			return nil, err
		}
	}
}

// TryLock takes the advisory lock with a key for a session, if it is free. The
// session keeps it until its connection is closed.
func TryLock(ctx context.Context, conn *pgx.Conn, key int64) (got bool, err error) {
	err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", key).Scan(&got)
	return got, err
}
