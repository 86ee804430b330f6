package sqlstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/census"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/expiry"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/lapsed"
	"laminar/sqlstore/latestore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/schema"
	"laminar/sqlstore/senders"
)

// Store is one database of Laminar, by the sides that its users take: what
// writes samples needs the Writer, what computes flows the Reader, the Catalogue,
// the Jobs and the Results. All of them are safe for concurrent use.
type Store struct {
	db           *pg.DB
	resultSchema string

	Schema *schema.Installer // brings the database up to date, once per process

	Writer   *raw.Writer     // flushes, and what belongs to them
	Reader   *raw.Reader     // snapshots, and how much raw data there is
	Keeper   *raw.Keeper     // freezing, sealing, dropping
	Retainer *raw.Retainer   // retention
	Census   *census.Census  // who has how many series
	Remover  *lapsed.Remover // of series and metrics that have no samples any more
	Senders  *senders.Store  // replicas, and descriptions of metrics

	Catalogue *flowstore.Catalogue // flows, and how far each is
	Jobs      *flowstore.Jobs      // refills
	Results   *flowstore.Results   // what rounds make of flows
	Alerts    *alertstore.Store    // what came of alerting rules
	Members   *flowstore.Members   // flownodes, and which of them leads
	Changes   *changes.Store       // what commits have changed of results
	Late      *latestore.Store     // samples that came too late and are kept
	Expiry    *expiry.Store        // deletes results that are not kept any more
}

// Open connects to the database and checks that it can be used: PostgreSQL 13
// or newer, UTF8, not a standby, not behind a transaction pooler. It changes
// nothing; the Schema's Migrate and Install do. Close the store when done.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := pg.Open(ctx, pg.Config{URL: cfg.URL, Again: cfg.URLAgain, Schema: cfg.Schema, MaxConns: cfg.MaxConns}, log)
	if err != nil {
		return nil, err
	}
	s := &Store{
		db:           db,
		resultSchema: cfg.ResultSchema,
		Alerts:       alertstore.New(db, flowstore.LeaderLease),
		Members:      flowstore.NewMembers(db, log),
		Changes:      changes.New(db),
		Late:         latestore.New(db),
		Expiry:       expiry.New(db),
		Schema:       schema.New(db, cfg.ResultSchema, log),
		Writer:       raw.NewWriter(db, cfg.MissedSamples),
		Reader:       raw.NewReader(db),
		Keeper:       raw.NewKeeper(db, cfg.DropGrace, cfg.MergeSamples),
		Retainer:     raw.NewRetainer(db, cfg.DropGrace),
		Senders:      senders.New(db),
	}
	s.Census = census.New(db)
	s.Remover = lapsed.New(db, s.Reader, s.Writer)
	s.Catalogue, s.Jobs, s.Results = flowstore.New(db, s.Reader, cfg.ResultSchema)
	return s, nil
}

// Close waits until all connections have been given back, then closes them.
func (s *Store) Close() { s.db.Close() }

// Pool is the pool the store works with, for status queries and tests. Its
// connections have the session settings of the store.
func (s *Store) Pool() *pgxpool.Pool { return s.db.Pool() }

// Leases are the purposes of all leases: what one process at a time does.
var Leases = [...]string{flowstore.LeaderLease, raw.SealLease, lapsed.Lease, schema.MigrateLease}

// Waiting reports whether this process waits for a lease.
func (s *Store) Waiting(purpose string) bool { return s.db.Waiting(purpose) }

// TellWaits makes waits for other sessions be told to another log than Open's. Call it
// before the store is used.
func (s *Store) TellWaits(log *slog.Logger) { s.db.TellWaits(log) }

// Writable reports whether the database can be written to now: whether it has room,
// and commits. It writes, so it is not for every moment.
func (s *Store) Writable(ctx context.Context) error { return s.db.Writable(ctx) }

// StuckAfter is after which time sessions are stuck.
const StuckAfter = pg.StuckAfter

// EndStuck ends sessions that have been stuck for a time, usually StuckAfter, until ctx
// ends, and returns its error: see pg.DB.EndStuck. A process that serves runs it.
func (s *Store) EndStuck(ctx context.Context, after time.Duration) error {
	return s.db.EndStuck(ctx, after)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }
