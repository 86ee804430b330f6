package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/schema"
	"laminar/sqlstore/pg"
)

// GrantReader lets a role read what Laminar has made in both schemas, and will
// make, and returns the statements it took; none where the role can do so already.
// The role gets nothing else. It reads the tables below the views, too: the
// functions that the views are made of run with the rights of who calls them.
func (in *Installer) GrantReader(ctx context.Context, role string) ([]string, error) {
	done, err := in.changeReader(ctx, role, false)
	if err != nil {
		return nil, fmt.Errorf("let role %s read: %w", role, err)
	}
	return done, nil
}

// RevokeReader takes back what GrantReader gives.
func (in *Installer) RevokeReader(ctx context.Context, role string) ([]string, error) {
	done, err := in.changeReader(ctx, role, true)
	if err != nil {
		return nil, fmt.Errorf("let role %s read no more: %w", role, err)
	}
	return done, nil
}

func (in *Installer) changeReader(ctx context.Context, role string, revoke bool) (done []string, err error) {
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
		rows, err := tx.Query(ctx, queries.ReaderRights, in.db.Schema(), in.results, role, revoke)
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
	if pg.NoRights(err) {
		return nil, pg.WithHint(pg.Interpret(err), "the role that owns Laminar's tables as the user in --database-url")
	}
	return done, pg.Interpret(err)
}
