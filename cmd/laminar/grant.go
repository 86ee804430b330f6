package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/server/view"
	"laminar/sqlstore"
)

func (a *app) grantCommand() *cobra.Command {
	var role string
	var revoke bool
	cmd := &cobra.Command{
		Use:   "grant --reader ROLE",
		Short: "Let a database role read results and raw samples, and nothing else",
		Long: "Let a database role, such as that of dashboards, read the result tables, the views and\n" +
			"the raw samples, those to come too, and nothing else. Without --reader the role is that\n" +
			"of database.reader_role, which serve grants when it starts.",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, c *settings.Config, store *sqlstore.Store) error {
				if role == "" {
					role = c.Database.ReaderRole
				}
				if role == "" {
					return &usageError{err: fmt.Errorf("%s: no role given", cmd.CommandPath()), hint: cmd.CommandPath() + " --reader ROLE"}
				}
				change, now := store.Schema.GrantReader, "may read"
				if revoke {
					change, now = store.Schema.RevokeReader, "may not read any more"
				}
				done, err := change(ctx, role)
				if err != nil {
					return err
				}
				t := table{data: view.Granted{Role: role, Reads: !revoke, Statements: append([]string{}, done...)}}
				t.note = fmt.Sprintf("role %s %s (%d statements)", role, now, len(done))
				return a.print(t)
			})
		},
	}
	cmd.Flags().StringVar(&role, "reader", "", "role that may read")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "take it back")
	a.addOutputFlag(cmd)
	return cmd
}
