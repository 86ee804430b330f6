package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"laminar/queries"
)

// migrateWait is how long Migrate waits for another process that migrates, and
// how long a migration waits for a lock.
const migrateWait = time.Minute

// Migrate brings the database to the schema of this binary: it creates the two
// schemas where they are missing, runs the migrations that are not done yet and
// makes views and functions whose text has changed. Several processes can call
// it at once; one does the work, the others wait. When there is nothing to do
// it takes no lock that a reader could hold up.
//
// A database that is newer than this binary is refused.
func (s *Store) Migrate(ctx context.Context) error {
	unlock, err := s.lockOut(ctx, "migrate", migrateWait)
	if err != nil {
		return fmt.Errorf("wait for another process that migrates the database: %w", err)
	}
	defer unlock()
	if err := s.createSchemas(ctx); err != nil {
		return err
	}
	if err := s.withMigrator(func(m *migrate.Migrate, newest uint) error {
		if err := s.awaitMigration(ctx); err != nil {
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
			return withHint(fmt.Errorf("the database has schema version %d, this binary knows versions up to %d", version, newest),
				"use the Laminar that wrote this database, or a newer one")
		case version == newest:
			return nil
		}
		return m.Up()
	}); err != nil {
		return s.migrateError(err)
	}
	if err := s.installCode(ctx); err != nil {
		return err
	}
	return s.loadRegions(ctx)
}

// awaitMigration waits until no migration is under way. One can be, although
// this process holds the lock for migrating: the server carries on with that of
// a process that was killed, until it notices or is done.
func (s *Store) awaitMigration(ctx context.Context) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = "+milliseconds(migrateWait)); err != nil {
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
func (s *Store) MigrateDown(ctx context.Context) error {
	unlock, err := s.lockOut(ctx, "migrate", migrateWait)
	if err != nil {
		return fmt.Errorf("wait for another process that migrates the database: %w", err)
	}
	defer unlock()
	s.regions.Store(0)
	return s.migrateError(s.withMigrator(func(m *migrate.Migrate, _ uint) error { return m.Down() }))
}

// withMigrator runs fn with golang-migrate over a connection of the pool, and
// the newest version that is embedded.
func (s *Store) withMigrator(fn func(m *migrate.Migrate, newest uint) error) error {
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	src, newest, err := migrationSource()
	if err != nil {
		return err
	}
	driver, err := newMigrationDriver(db, s.cfg.Schema)
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
func (s *Store) migrateError(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("migrate the database: %w", interpret(unwrapMigration(err)))
	var dirty migrate.ErrDirty
	switch {
	case errors.As(err, &dirty):
		// Our driver never leaves this behind: file and version commit as one.
		return withHint(err, "another tool began migration %d in schema %s and did not finish; look what is there, then "+
			"update %s.schema_migrations set version = %d, dirty = false", dirty.Version, s.cfg.Schema, quoted(s.cfg.Schema), dirty.Version-1)
	case errors.Is(err, migrate.ErrLockTimeout), lockTimedOut(err):
		return withHint(err, "another session holds a lock on Laminar's tables: look into pg_stat_activity, end it, start again")
	case sqlState(err) == stateInsufficientRights:
		return withHint(err, "alter schema %s owner to %s", quoted(s.cfg.Schema), quoted(s.server.role))
	}
	return err
}

// createSchemas makes the schemas that are missing. It looks first, so that a
// role without CREATE on the database can use schemas made for it.
func (s *Store) createSchemas(ctx context.Context) error {
	names := []string{s.cfg.Schema, s.cfg.ResultSchema}
	rows, err := s.pool.Query(ctx, queries.SchemaRights, names)
	if err != nil {
		return fmt.Errorf("look for the schemas: %w", interpret(err))
	}
	defer rows.Close()
	var missing []string
	for rows.Next() {
		var name string
		var there, usable, mayCreate bool
		if err := rows.Scan(&name, &there, &usable, &mayCreate); err != nil {
			return fmt.Errorf("look for the schemas: %w", interpret(err))
		}
		switch {
		case there && !usable:
			return withHint(fmt.Errorf("role %s may not create tables in schema %s", s.server.role, name),
				"alter schema %s owner to %s", quoted(name), quoted(s.server.role))
		case !there && !mayCreate:
			return withHint(fmt.Errorf("schema %s is not there, and role %s may not create it", name, s.server.role),
				"grant create on database %s to %s; or: create schema %s authorization %s; create schema %s authorization %s",
				quoted(s.server.database), quoted(s.server.role), quoted(names[0]), quoted(s.server.role), quoted(names[1]), quoted(s.server.role))
		case !there:
			missing = append(missing, name)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for the schemas: %w", interpret(err))
	}
	for _, name := range missing {
		if _, err := s.pool.Exec(ctx, "create schema "+quoted(name)); err != nil {
			return fmt.Errorf("create schema %s: %w", name, interpret(err))
		}
	}
	return nil
}
