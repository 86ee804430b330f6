package schema

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/schema"
	"laminar/sqlstore/pg"
)

// Installer brings a database to what this binary works with. All methods are
// safe for concurrent use, also by several processes.
type Installer struct {
	db      *pg.DB
	results string // the schema of the result tables
	log     *slog.Logger
	regions atomic.Int32 // of this installation; 0 before Install
}

// New makes an installer of Laminar's own tables in the database's schema, and of
// the schema results for result tables. It changes nothing.
func New(db *pg.DB, results string, log *slog.Logger) *Installer {
	return &Installer{db: db, results: results, log: log}
}

// Regions is the number of regions of this installation, 0 before Install.
func (in *Installer) Regions() int { return int(in.regions.Load()) }

// loadRegions learns the number of regions, which stays 0 before Install.
func (in *Installer) loadRegions(ctx context.Context) error {
	var n int32
	err := in.db.Pool().QueryRow(ctx, queries.InstallationRegions).Scan(&n)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the number of regions: %w", pg.Interpret(err))
	}
	in.regions.Store(n)
	return nil
}
