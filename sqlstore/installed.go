package sqlstore

import (
	"context"
	"fmt"

	"laminar/queries"
)

// CheckInstalled reports whether the database has the schema that this binary
// works with, for a process that uses it and does not migrate it. It changes
// nothing.
func (s *Store) CheckInstalled(ctx context.Context) error {
	src, newest, err := migrationSource()
	if err != nil {
		return err
	}
	if err := src.Close(); err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	var version uint
	err = s.pool.QueryRow(ctx, queries.SchemaVersion).Scan(&version)
	switch {
	case sqlState(err) == stateUndefinedTable, err == nil && version == 0:
		return withHint(fmt.Errorf("there is no Laminar in schema %s of database %s", s.cfg.Schema, s.server.database),
			"laminar serve with the same database installs it; or another --database-schema")
	case err != nil:
		return fmt.Errorf("read the schema's version: %w", interpret(err))
	case version < newest:
		return withHint(fmt.Errorf("the database has schema version %d, this binary needs %d", version, newest),
			"laminar serve of this version, which migrates it")
	case version > newest:
		return withHint(fmt.Errorf("the database has schema version %d, this binary knows versions up to %d", version, newest),
			"use the Laminar that wrote this database, or a newer one")
	}
	return s.loadRegions(ctx)
}
