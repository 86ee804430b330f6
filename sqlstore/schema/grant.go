package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/schema"
	"laminar/sqlstore/pg"
)

// Kind is what a database role may do with an installation that it does not own.
type Kind string

// The kinds of roles. Each reads all that Laminar has made.
const (
	Reader Kind = "reader" // and nothing else
	Ingest Kind = "ingest" // and takes samples in
	Flows  Kind = "flows"  // and keeps flows up to date
)

// Grant lets a role do what its kind does with what Laminar has made in both schemas,
// and will make, and returns the statements it took; none where the role can do so
// already. The role gets nothing else. It reads the tables below the views, too: the
// functions that the views are made of run with the rights of who calls them.
func (in *Installer) Grant(ctx context.Context, kind Kind, role string) ([]string, error) {
	done, err := in.changeRole(ctx, kind, role, false)
	if err != nil {
		return nil, fmt.Errorf("grant role %s the rights of %s: %w", role, kind, err)
	}
	return done, nil
}

// Revoke takes back what Grant gives to a role of the kind, reading included.
func (in *Installer) Revoke(ctx context.Context, kind Kind, role string) ([]string, error) {
	done, err := in.changeRole(ctx, kind, role, true)
	if err != nil {
		return nil, fmt.Errorf("take the rights of %s from role %s: %w", kind, role, err)
	}
	return done, nil
}

func (in *Installer) changeRole(ctx context.Context, kind Kind, role string, revoke bool) (done []string, err error) {
	err = in.db.InTx(ctx, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, queries.RoleExists, role).Scan(&there); err != nil {
			return err
		}
		if !there {
			return pg.WithHint(fmt.Errorf("there is no role %s", role), "as a superuser: create role %s login password '...'", pg.Quoted(role))
		}
		// Several processes may start at once, and the server fails two that change
		// the rights on one table. This lock is compatible with reading and writing.
		if _, err := tx.Exec(ctx, "lock table schema_migrations in share update exclusive mode"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, queries.RoleRights, in.db.Schema(), in.results, role, string(kind), revoke)
		if err != nil {
			return err
		}
		if done, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		for _, stmt := range done {
			if _, err := tx.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("%s: %w", stmt, err)
			}
		}
		return nil
	})
	return done, pg.Interpret(err)
}
