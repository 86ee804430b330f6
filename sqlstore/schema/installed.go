package schema

import (
	"context"
	"fmt"

	queries "laminar/queries/schema"
	"laminar/sqlstore/pg"
)

// CheckInstalled reports whether the database has the schema that this binary
// works with, for a process that uses it and does not migrate it. It changes
// nothing.
func (in *Installer) CheckInstalled(ctx context.Context) error {
	src, newest, err := migrationSource()
	if err != nil {
		return err
	}
	if err := src.Close(); err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	var version uint
	err = in.db.Pool().QueryRow(ctx, queries.SchemaVersion).Scan(&version)
	switch {
	case pg.NoRights(err):
		return in.notReadable()
	case pg.NoTable(err):
		// A schema that the role may not use looks like none.
		if found, err := in.rights(ctx); err != nil {
			return err
		} else if found[0].There && !found[0].Usable {
			return in.notReadable()
		}
		return in.notInstalled()
	case err == nil && version == 0:
		return in.notInstalled()
	case err != nil:
		return fmt.Errorf("read the schema's version: %w", pg.Interpret(err))
	case version < newest:
		return pg.WithHint(fmt.Errorf("the database has schema version %d, this binary needs %d", version, newest),
			"laminar serve of this version, which migrates it")
	case version > newest:
		return pg.WithHint(fmt.Errorf("the database has schema version %d, this binary knows versions up to %d", version, newest),
			"use the Laminar that wrote this database, or a newer one")
	}
	return in.loadRegions(ctx)
}

func (in *Installer) notInstalled() error {
	return pg.WithHint(fmt.Errorf("there is no Laminar in schema %s of database %s", in.db.Schema(), in.db.Server().Database),
		"laminar serve with the same database installs it; or another --database-schema")
}
