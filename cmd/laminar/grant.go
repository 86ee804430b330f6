package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/schema"
)

func (a *app) grantCommand() *cobra.Command {
	roles := map[schema.Kind]*string{schema.Reader: new(string), schema.Ingest: new(string), schema.Flows: new(string)}
	var revoke bool
	cmd := &cobra.Command{
		Use:   "grant --reader ROLE | --ingest ROLE | --flows ROLE",
		Short: "Let a database role read, take samples in or keep flows, and nothing else",
		Long: "Let a database role do a part of the work, with what Laminar has made and will make, and\n" +
			"nothing else. A reader, such as the role of dashboards, reads the result tables, the views\n" +
			"and the raw samples. The roles of ingest and of flows are for processes that have that\n" +
			"part alone (serve --parts); they read everything too. Without a role it is the reader of\n" +
			"database.reader_role, which serve grants when it starts.",
		Example: "  laminar grant --reader grafana\n" +
			"  laminar grant --ingest laminar_ingest",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, c *settings.Config, store *sqlstore.Store) error {
				kind, role := schema.Reader, ""
				for k, r := range roles {
					switch {
					case *r == "":
					case role != "":
						return &usageError{err: fmt.Errorf("%s: two roles given: want one at a time", cmd.CommandPath()), hint: cmd.CommandPath() + " --reader ROLE"}
					default:
						kind, role = k, *r
					}
				}
				if role == "" {
					role = c.Database.ReaderRole
				}
				if role == "" {
					return &usageError{err: fmt.Errorf("%s: no role given", cmd.CommandPath()), hint: cmd.CommandPath() + " --reader ROLE"}
				}
				change, now := store.Schema.Grant, map[schema.Kind]string{
					schema.Reader: "may read", schema.Ingest: "may take samples in", schema.Flows: "may keep flows up to date",
				}[kind]
				if revoke {
					change, now = store.Schema.Revoke, "has no rights as "+string(kind)+" any more"
				}
				done, err := change(ctx, kind, role)
				if err != nil {
					return err
				}
				t := term.Table{Data: view.Granted{Role: role, Kind: string(kind), Reads: !revoke, Statements: append([]string{}, done...)}}
				t.Note = fmt.Sprintf("role %s %s (%s)", role, now, flowdef.FormatCount(len(done), "statement"))
				return a.print(t)
			})
		},
	}
	cmd.Flags().StringVar(roles[schema.Reader], "reader", "", "role that may read")
	cmd.Flags().StringVar(roles[schema.Ingest], "ingest", "", "role that may take samples in")
	cmd.Flags().StringVar(roles[schema.Flows], "flows", "", "role that may keep flows up to date")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "take it back")
	a.addOutputFlag(cmd)
	return cmd
}
