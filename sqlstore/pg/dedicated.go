package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Dedicated opens a connection outside the pool with the session settings of
// the pool's. EndStuck leaves it alone. The caller closes it.
func (db *DB) Dedicated(ctx context.Context) (*pgx.Conn, error) {
	cfg := db.pool.Config()
	if err := cfg.BeforeConnect(ctx, cfg.ConnConfig); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", Interpret(err))
	}
	if err := settle(ctx, conn, db.schema); err != nil {
		CloseConn(conn)
		return nil, Interpret(err)
	}
	return conn, nil
}

// CloseConn closes a connection in its own time: it is called when the
// caller's context has ended, too.
func CloseConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Sleep waits, or returns early with ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
