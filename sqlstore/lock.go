package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sequence"
)

// lockPoll is how often a lock that another process holds is tried again. The
// lock is polled and not waited for in the server: a waiting session would hold
// a snapshot, and with it back vacuum and drops.
const lockPoll = 50 * time.Millisecond

// lockOut makes this the only process that does purpose, until the returned
// function is called. It waits for another one up to limit and then returns
// sequence.ErrUnavailable.
//
// The lock belongs to a session of its own. Should that session break, another
// process can begin: what is done under the lock must still be safe then, only
// not useful.
func (s *Store) lockOut(ctx context.Context, purpose string, limit time.Duration) (unlock func(), err error) {
	conn, err := s.dedicated(ctx)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(limit)
	for {
		got, err := tryLock(ctx, conn, s.lockKey(purpose))
		if err != nil {
			closeConn(conn)
			return nil, interpret(err)
		}
		if got {
			return func() { closeConn(conn) }, nil
		}
		if time.Now().After(deadline) {
			closeConn(conn)
			return nil, fmt.Errorf("%w: another process holds the lock %q", sequence.ErrUnavailable, purpose)
		}
		if err := sleep(ctx, lockPoll); err != nil {
			closeConn(conn)
			return nil, err
		}
	}
}

func tryLock(ctx context.Context, conn *pgx.Conn, key int64) (got bool, err error) {
	err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", key).Scan(&got)
	return got, err
}
