package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"laminar/sqlstore/pg"
)

// Migrate brings the database to the schema of this binary: it creates the two
// schemas where they are missing, runs the migrations that are not done yet and
// makes views and functions whose text has changed. Several processes can call
// it at once; one does the work, the others wait. When there is nothing to do
// it takes no lock that a reader could hold up.
//
// A database that is newer than this binary is refused.
func (in *Installer) Migrate(ctx context.Context) error {
	// The lease is a row of a table in the schema, so these two come before it. Of
	// processes that make them at once the server lets one through.
	if err := in.createSchemas(ctx); err != nil {
		return err
	}
	if err := in.db.MakeLeases(ctx); err != nil {
		return in.migrateError(err)
	}
	unlock, err := in.db.LockOut(ctx, MigrateLease, migrateWait)
	if err != nil {
		return in.migrateError(fmt.Errorf("wait for another process that migrates: %w", err))
	}
	defer unlock()
	if err := in.withMigrator(func(m *migrate.Migrate, newest uint) error {
		if err := in.awaitMigration(ctx); err != nil {
			return err
		}
		version, dirty, err := m.Version()
		switch {
		case errors.Is(err, migrate.ErrNilVersion):
			return m.Up()
		case err != nil:
			return err
		case dirty:
			return migrate.ErrDirty{Version: int(version)}
		case version > newest:
			return pg.WithHint(fmt.Errorf("the database has schema version %d, this binary knows versions up to %d", version, newest),
				"use the Laminar that wrote this database, or a newer one")
		case version == newest:
			return nil
		}
		return m.Up()
	}); err != nil {
		return in.migrateError(err)
	}
	if err := in.installCode(ctx); err != nil {
		return err
	}
	return in.loadRegions(ctx)
}

// awaitMigration waits until no migration is under way. One can be, although
// this process holds the lock for migrating: the server carries on with that of
// a process that was killed, until it notices or is done.
func (in *Installer) awaitMigration(ctx context.Context) error {
	err := in.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = "+pg.Milliseconds(migrateWait)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "lock table schema_migrations in exclusive mode")
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for a migration under way: %w", err)
	}
	return nil
}

// MigrateDown removes everything that Migrate made but the schemas. All data is
// lost; it is for tests.
func (in *Installer) MigrateDown(ctx context.Context) error {
	unlock, err := in.db.LockOut(ctx, MigrateLease, migrateWait)
	if err != nil {
		return fmt.Errorf("wait for another process that migrates the database: %w", err)
	}
	defer unlock()
	in.regions.Store(0)
	return in.migrateError(in.withMigrator(func(m *migrate.Migrate, _ uint) error { return m.Down() }))
}

// withMigrator runs fn with golang-migrate over a connection of the pool, and
// the newest version that is embedded.
func (in *Installer) withMigrator(fn func(m *migrate.Migrate, newest uint) error) error {
	db := stdlib.OpenDBFromPool(in.db.Pool())
	defer db.Close()
	src, newest, err := migrationSource()
	if err != nil {
		return err
	}
	driver, err := newMigrationDriver(db, in.db.Schema())
	if err != nil {
		return errors.Join(err, src.Close())
	}
	m, err := migrate.NewWithInstance("embedded", src, "postgres", driver)
	if err != nil {
		return errors.Join(err, src.Close(), driver.Close())
	}
	err = fn(m, newest)
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	sourceErr, driverErr := m.Close()
	return errors.Join(err, sourceErr, driverErr)
}

// migrateError says what to do about an error of golang-migrate.
func (in *Installer) migrateError(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("migrate the database: %w", pg.Interpret(unwrapMigration(err)))
	var dirty migrate.ErrDirty
	switch {
	case errors.As(err, &dirty):
		// Our driver never leaves this behind: file and version commit as one.
		return pg.WithHint(err, "another tool began migration %d in schema %s and did not finish; look what is there, then "+
			"update %s.schema_migrations set version = %d, dirty = false", dirty.Version, in.db.Schema(), pg.Quoted(in.db.Schema()), dirty.Version-1)
	case errors.Is(err, migrate.ErrLockTimeout), pg.LockTimedOut(err):
		return pg.WithHint(err, "another session holds a lock on Laminar's tables: look into pg_stat_activity, end it, start again")
	case pg.NoRights(err):
		return pg.WithHint(err, "the role that owns the tables in schema %s (\\dt %s.*) as the user in --database-url", in.db.Schema(), in.db.Schema())
	}
	return err
}

// createSchemas makes the schemas that are missing. It looks first, so that a
// role without CREATE on the database can use schemas made for it.
func (in *Installer) createSchemas(ctx context.Context) error {
	found, err := in.rights(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, r := range found {
		switch role := pg.Quoted(in.db.Server().Role); {
		case r.There && !r.Fillable:
			return in.notFillable(r)
		case !r.There && !r.MayCreate:
			return pg.WithHint(fmt.Errorf("schema %s is not there, and role %s may not create it", r.Name, in.db.Server().Role),
				"grant create on database %s to %s; or: create schema %s authorization %s; create schema %s authorization %s",
				pg.Quoted(in.db.Server().Database), role, pg.Quoted(in.db.Schema()), role, pg.Quoted(in.results), role)
		case !r.There:
			missing = append(missing, r.Name)
		}
	}
	for _, name := range missing {
		if _, err := in.db.Pool().Exec(ctx, "create schema "+pg.Quoted(name)); err != nil && !pg.MadeMeanwhile(err) {
			return fmt.Errorf("create schema %s: %w", name, pg.Interpret(err))
		}
	}
	return nil
}
