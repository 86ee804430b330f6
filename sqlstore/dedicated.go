package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"
)

// dedicated opens a connection outside the pool with the session settings of
// the pool's. The caller closes it.
func (s *Store) dedicated(ctx context.Context) (*pgx.Conn, error) {
	cfg := s.pool.Config()
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", interpret(err))
	}
	if cfg.AfterConnect != nil {
		if err := cfg.AfterConnect(ctx, conn); err != nil {
			closeConn(conn)
			return nil, interpret(err)
		}
	}
	return conn, nil
}

// closeConn closes a connection in its own time: it is called when the
// caller's context has ended, too.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// lockKey is the key of an advisory lock for a purpose of this installation.
// Advisory locks belong to the database, which can hold several schemas.
func (s *Store) lockKey(purpose string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("laminar " + purpose + " " + s.cfg.Schema))
	return int64(h.Sum64())
}

// sleep waits, or returns early with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
