package sqlstore

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store is one database. All methods are safe for concurrent use.
type Store struct {
	cfg  Config
	log  *slog.Logger
	pool *pgxpool.Pool

	server  serverInfo
	regions atomic.Int32
	copies  sync.Pool // of *copyStream
	packers sync.Pool // of *segment.Packer

	targets targets // result tables of the flows this store has taken
}

// Open connects to the database and checks that it can be used: PostgreSQL 13
// or newer, UTF8, not a standby, not behind a transaction pooler. It changes
// nothing; Migrate and Install do. Close the store when done.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	pool, err := newPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	server, err := inspect(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	for _, warning := range server.warnings() {
		log.Warn(warning)
	}
	return &Store{cfg: cfg, log: log, pool: pool, server: server}, nil
}

// Close waits until all connections have been given back, then closes them.
func (s *Store) Close() { s.pool.Close() }

// Pool is the pool the store works with, for status queries and tests. Its
// connections have the session settings of the store.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return interpret(s.pool.Ping(ctx)) }

// Regions is the number of regions of this installation, 0 before Install.
func (s *Store) Regions() int { return int(s.regions.Load()) }

// Schema is the schema of Laminar's own tables.
func (s *Store) Schema() string { return s.cfg.Schema }

// ResultSchema is the schema of the result tables.
func (s *Store) ResultSchema() string { return s.cfg.ResultSchema }

// inTx runs fn in a READ COMMITTED transaction.
func (s *Store) inTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, fn)
}
