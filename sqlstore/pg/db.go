package pg

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	queries "laminar/queries/pg"
)

// DB is one database with a pool of sessions that all have the same settings.
// All methods are safe for concurrent use.
type DB struct {
	cfg    Config
	pool   *pgxpool.Pool
	schema string
	server Server
	copies sync.Pool // of *CopyStream
	waits  waits
	heard  *heardConns
	log    *slog.Logger // for whom is waited
}

// Open connects to the database and checks that it can be used: PostgreSQL 13
// or newer, UTF8, not a standby, not behind a transaction pooler. It changes
// nothing. Close the database when done.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	heard := newHeardConns()
	pool, err := newPool(ctx, cfg, heard)
	if err != nil {
		return nil, err
	}
	server, err := inspect(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	if !server.fsync {
		log.Warn("the server runs with fsync=off: a crash of its machine loses acknowledged samples")
	}
	return &DB{cfg: cfg, pool: pool, schema: cfg.Schema, server: server, log: log, heard: heard}, nil
}

// Apart is the same database with a pool of its own of so many connections, whose users
// wait for each other and for nobody else. It connects when it is first used. Who looks
// for stuck sessions of db finds those of its own, too. Close it as well.
func (db *DB) Apart(ctx context.Context, conns int32) (*DB, error) {
	cfg := db.cfg
	cfg.MaxConns = conns
	pool, err := newPool(ctx, cfg, db.heard)
	if err != nil {
		return nil, err
	}
	return &DB{cfg: cfg, pool: pool, schema: db.schema, server: db.server, log: db.log, heard: db.heard}, nil
}

// TellWaits makes waits for other sessions be told to another log than Open's. Call it
// before the database is used.
func (db *DB) TellWaits(log *slog.Logger) { db.log = log }

// Close waits until all connections have been given back, then closes them.
func (db *DB) Close() { db.pool.Close() }

// Pool is the pool of sessions.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Schema is the schema of Laminar's own tables.
func (db *DB) Schema() string { return db.schema }

// Server is what is known of the server and the session.
func (db *DB) Server() Server { return db.server }

// Writable writes: what takes room on the disk, and a row that is committed. An error
// says why that cannot be done now.
func (db *DB) Writable(ctx context.Context) error {
	// Without the right to make temporary tables the room is not looked at.
	if _, err := db.pool.Exec(ctx, queries.ProbeSpace); err != nil && !NoRights(err) {
		return fmt.Errorf("write to the database: %w", Interpret(err))
	}
	if _, err := db.pool.Exec(ctx, queries.ProbeCommit); err != nil {
		return fmt.Errorf("write to the database: %w", Interpret(err))
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return Interpret(db.pool.Ping(ctx)) }

// InTx runs fn in a READ COMMITTED transaction: committed when fn returns nil,
// rolled back otherwise. Errors come back as they are, not interpreted.
func (db *DB) InTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.pool, fn)
}
