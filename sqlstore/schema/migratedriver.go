package schema

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	pgxmigrate "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"laminar/migrations"
	"laminar/sqlstore/pg"
)

// MigrateLease is the purpose of the lease under which a process migrates.
const MigrateLease = "migrate"

// migrateWait is how long Migrate waits for another process that migrates, and
// how long a migration waits for a lock.
const migrateWait = time.Minute

// migrationDriver makes a migration file and the version it leads to one
// transaction. golang-migrate's own driver writes the version, marked dirty,
// before the file and again after it, so that a process killed in between
// leaves a database that needs a person.
//
// The file and the version are sent as one simple query, which PostgreSQL runs
// as one transaction. Locking is left out: Migrate holds a lock of its own,
// whose wait can be cancelled.
type migrationDriver struct {
	database.Driver
	table   string // quoted, with its schema
	pending int    // the version that the next Run leads to
}

// newMigrationDriver wraps golang-migrate's driver. It makes the table of versions
// if that is missing.
func newMigrationDriver(db *sql.DB, schema string) (*migrationDriver, error) {
	inner, err := pgxmigrate.WithInstance(db, &pgxmigrate.Config{SchemaName: schema, MigrationsTable: "schema_migrations"})
	if err != nil {
		return nil, fmt.Errorf("open the migrations table: %w", err)
	}
	return &migrationDriver{Driver: inner, table: pg.Quoted(schema) + ".schema_migrations"}, nil
}

// Lock does nothing: Migrate holds its own lock.
func (d *migrationDriver) Lock() error { return nil }

// Unlock does nothing: Migrate holds its own lock.
func (d *migrationDriver) Unlock() error { return nil }

// SetVersion notes the version that the file to come leads to. Run has written
// it by the time it is set clean.
func (d *migrationDriver) SetVersion(version int, dirty bool) error {
	if dirty {
		d.pending = version
	}
	return nil
}

// Run runs a file and sets the version, as one transaction, and gives up when
// it has to wait long for a lock. Nothing adds a line before the file, so line
// numbers in errors are those of the file. The lock on the table of versions is
// what awaitMigration waits for.
func (d *migrationDriver) Run(file io.Reader) error {
	body, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "set local lock_timeout = %d; lock table %s in exclusive mode; ", migrateWait.Milliseconds(), d.table)
	text.Write(body)
	fmt.Fprintf(&text, ";\ndelete from %s;", d.table)
	if d.pending != database.NilVersion {
		fmt.Fprintf(&text, "insert into %s (version, dirty) values (%d, false);", d.table, d.pending)
	}
	return d.Driver.Run(&text)
}

// unwrapMigration is the driver's error behind one of golang-migrate, which
// does not unwrap, with golang-migrate's text before it.
func unwrapMigration(err error) error {
	var failed database.Error
	var failedPtr *database.Error
	switch {
	case errors.As(err, &failed):
		return fmt.Errorf("%s (line %d): %w", failed.Err, failed.Line, failed.OrigErr)
	case errors.As(err, &failedPtr):
		return fmt.Errorf("%s: %w", failedPtr.Err, failedPtr.OrigErr)
	}
	return err
}

// migrationSource is the embedded migrations and the newest version in them.
func migrationSource() (source.Driver, uint, error) {
	src, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return nil, 0, fmt.Errorf("read the embedded migrations: %w", err)
	}
	version, err := src.First()
	for err == nil {
		var next uint
		if next, err = src.Next(version); err == nil {
			version = next
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("read the embedded migrations: %w", err)
	}
	return src, version, nil
}
