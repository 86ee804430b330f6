package lab

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is one database of the server. Each Laminar and each set of row tables
// has its own.
type Database struct {
	lab  *Lab
	name string
	URL  string    // with a password: not for a command line
	Conn *pgx.Conn // for one statement at a time
}

// CreateDatabase makes an empty database, in place of one of that name.
func (l *Lab) CreateDatabase(ctx context.Context, name string) (*Database, error) {
	if err := l.exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)",
		"create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return nil, fmt.Errorf("create database %s: %w", name, err)
	}
	u, err := url.Parse(l.server.URL())
	if err != nil {
		return nil, err
	}
	u.Path = "/" + name
	d := &Database{lab: l, name: name, URL: u.String()}
	d.Conn, err = pgx.Connect(ctx, d.URL)
	return d, err
}

// Drop removes the database and everything in it.
func (d *Database) Drop(ctx context.Context) error {
	if err := d.Conn.Close(ctx); err != nil {
		return err
	}
	return d.lab.exec(ctx, "drop database "+pgx.Identifier{d.name}.Sanitize()+" with (force)")
}

// exec runs statements in the server's own database.
func (l *Lab) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, l.server.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// Checkpoint writes dirty pages to disk, so that no measurement pays for the
// pages of an earlier one, and all write the same full-page images.
func (d *Database) Checkpoint(ctx context.Context) error {
	_, err := d.Conn.Exec(ctx, "checkpoint")
	return err
}

// WAL is how many bytes the whole server has written ahead since it was made.
func (d *Database) WAL(ctx context.Context) (bytes float64, err error) {
	err = d.Conn.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8").Scan(&bytes)
	return bytes, err
}

// Written makes a checkpoint, runs write, which returns how long it took, and adds
// how many bytes the server has written ahead meanwhile.
func (d *Database) Written(ctx context.Context, write func() (time.Duration, error)) (took time.Duration, bytes float64, err error) {
	if err := d.Checkpoint(ctx); err != nil {
		return 0, 0, err
	}
	before, err := d.WAL(ctx)
	if err != nil {
		return 0, 0, err
	}
	if took, err = write(); err != nil {
		return 0, 0, err
	}
	after, err := d.WAL(ctx)
	return took, after - before, err
}

// Number runs a query that gives one number.
func (d *Database) Number(ctx context.Context, sql string, args ...any) (n float64, err error) {
	if err := d.Conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s: %w", sql, err)
	}
	return n, nil
}

// Until runs a query every so often until it gives true, and returns when it did,
// by our clock.
func (d *Database) Until(ctx context.Context, every, limit time.Duration, sql string, args ...any) (time.Time, error) {
	deadline := time.Now().Add(limit)
	for {
		var done bool
		if err := d.Conn.QueryRow(ctx, sql, args...).Scan(&done); err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", sql, err)
		}
		now := time.Now()
		if done {
			return now, nil
		}
		if now.After(deadline) {
			return now, fmt.Errorf("after %s it is still not true that: %s %v", limit, sql, args)
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(every):
		}
	}
}

// Timed runs a statement in a transaction of its own and returns how long it
// took, its commit included.
func (d *Database) Timed(ctx context.Context, sql string, args ...any) (time.Duration, error) {
	began := time.Now()
	_, err := d.Conn.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", sql, err)
	}
	return time.Since(began), nil
}
