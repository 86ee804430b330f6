package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// How leadership is tried and watched. A leader that cannot reach the database
// for electPing + electTimeout is none any more, here; to the server it is one
// until its connection is gone. A flownode that is wrong about it is stopped by the
// flows' epochs (I4): the lock keeps two flownodes from working against each
// other, it is not what makes results right.
const (
	electEvery   = time.Second
	electPing    = time.Second
	electTimeout = 5 * time.Second
)

// Campaign blocks until this process is the only leader of the installation or
// ctx ends. Then it returns a channel that is closed when leadership is lost,
// because its connection is, and a function that gives it up and must be
// called in any case. Databases out of reach are waited for.
//
// The lock is a session's advisory lock, on a connection of its own that must
// be direct: behind a transaction pooler it would belong to no client.
func (s *Store) Campaign(ctx context.Context) (lost <-chan struct{}, resign func(), err error) {
	for {
		conn, err := s.campaign(ctx)
		if err == nil {
			lost, resign := watch(conn)
			return lost, resign, nil
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("campaign for leadership: %w", ctx.Err())
		}
		if interpreted := pg.Interpret(err); !errors.Is(interpreted, sequence.ErrUnavailable) {
			return nil, nil, fmt.Errorf("campaign for leadership: %w", interpreted)
		}
		if err := pg.Sleep(ctx, electEvery); err != nil {
			return nil, nil, fmt.Errorf("campaign for leadership: %w", err)
		}
	}
}

// campaign tries for the lock, again and again, on one connection.
func (s *Store) campaign(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.db.Dedicated(ctx)
	if err != nil {
		return nil, err
	}
	for {
		leader, err := pg.TryLock(ctx, conn, s.db.LockKey("flownode"))
		if err == nil && leader {
			return conn, nil
		}
		if err == nil {
			err = pg.Sleep(ctx, electEvery)
		}
		if err != nil {
			pg.CloseConn(conn)
			return nil, err
		}
	}
}

// watch pings the connection that holds the lock, in a goroutine that ends
// when leadership is lost or resigned.
func watch(conn *pgx.Conn) (<-chan struct{}, func()) {
	lost, stopped := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(stopped)
		defer pg.CloseConn(conn) // which gives up the lock
		defer close(lost)
		for pg.Sleep(ctx, electPing) == nil {
			if err := ping(ctx, conn); err != nil {
				return
			}
		}
	}()
	return lost, func() {
		cancel()
		<-stopped
	}
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	return conn.Ping(ctx)
}
