package lab

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"laminar/sqlstore/localpg"
)

// serverSettings are the server's settings in addition to those of a private
// PostgreSQL (localpg). Laminar and the hand-written statements share one server,
// so the settings are the same for both.
var serverSettings = map[string]string{
	"shared_buffers":       "1GB",
	"max_wal_size":         "8GB",
	"effective_cache_size": "8GB",
}

// Postgres is the one server all scenarios use, durable and on a real disk.
type Postgres struct {
	server *localpg.Server
}

func startPostgres(ctx context.Context, dir string) (*Postgres, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
		return nil, fmt.Errorf("%s is in memory: durable commits would cost nothing there; give another place with -dir", dir)
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(dir, "postgres"), Settings: serverSettings})
	if err != nil {
		return nil, err
	}
	return &Postgres{server}, nil
}

func (p *Postgres) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.server.Stop(ctx)
}

// Database is a database of its own.
type Database struct {
	pg   *Postgres
	name string
	URL  string
	Conn *pgx.Conn // for one statement at a time
}

// Create makes an empty database; drop it when done.
func (p *Postgres) Create(ctx context.Context, name string) (*Database, error) {
	if err := p.exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)",
		"create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return nil, fmt.Errorf("create database %s: %w", name, err)
	}
	u, err := url.Parse(p.server.URL())
	if err != nil {
		return nil, err
	}
	u.Path = "/" + name
	d := &Database{pg: p, name: name, URL: u.String()}
	d.Conn, err = pgx.Connect(ctx, d.URL)
	return d, err
}

// Drop removes the database and everything in it.
func (d *Database) Drop(ctx context.Context) error {
	if err := d.Conn.Close(ctx); err != nil {
		return err
	}
	return d.pg.exec(ctx, "drop database "+pgx.Identifier{d.name}.Sanitize()+" with (force)")
}

// exec runs statements outside of the databases of the scenarios.
func (p *Postgres) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.server.URL())
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

// WAL is how many bytes the server has written ahead since it was made.
func (d *Database) WAL(ctx context.Context) (bytes float64, err error) {
	err = d.Conn.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8").Scan(&bytes)
	return bytes, err
}

// Written runs write, which returns how long it took, behind a checkpoint, and
// adds how many bytes the server has written ahead meanwhile.
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

// Until asks a query again and again until it gives true, and returns when it
// did, by our clock.
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
