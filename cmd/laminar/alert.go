package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/alert"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/alertstore"
)

func (a *app) alertCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{Use: "alert", Short: "Show alerts and what changed them"})
	cmd.AddCommand(a.alertListCommand(), a.alertHistoryCommand())
	return cmd
}

func (a *app) alertListCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the alerts of all rules as they stand",
		Args:    takes(0, 0),
		Example: "  laminar alert list --state firing",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := alert.ParsePhase(state); state != "" && (err != nil || state == string(alert.Inactive)) {
				return usagef("--state is %q: want %s, %s or %s", state, alert.Firing, alert.Pending, alert.Resolved)
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				alerts, err := store.Alerts.List(ctx)
				if err != nil {
					return err
				}
				return a.print(alertTable(slices.DeleteFunc(alerts, func(l alertstore.Listed) bool {
					return state != "" && string(l.Phase) != state
				})))
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only alerts in this state: firing, pending or resolved")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) alertHistoryCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List what changed alerts, newest first",
		Args:    takes(0, 0),
		Example: "  laminar alert history --limit 20 --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				changes, err := store.Alerts.History(ctx, limit)
				if err != nil {
					return err
				}
				return a.print(alertChangeTable(changes))
			})
		},
	}
	addLimitFlag(cmd, &limit, 50, "maximum number of changes to list")
	a.addOutputFlag(cmd)
	return cmd
}

func alertTable(alerts []alertstore.Listed) term.Table {
	t := term.Table{Head: []string{"alert", "state", "since", "value", "labels", "as of"}}
	data := view.Each(alerts, view.NewAlert)
	for _, v := range data {
		t.Rows = append(t.Rows, []string{v.Name, v.State, v.Since(), v.ValueAsText, v.LabelsAsText, v.AsOf})
	}
	t.Data = data
	if len(alerts) == 0 {
		t = term.Table{Data: data, Note: "no alerts"}
	}
	return t
}

func alertChangeTable(changes []alertstore.Recorded) term.Table {
	t := term.Table{Head: []string{"window end", "alert", "state", "reason", "value", "labels", "note"}}
	data := view.Each(changes, view.NewAlertChange)
	for i, v := range data {
		note := ""
		switch {
		case v.Withdrawn != "":
			note = "withdrawn " + v.Withdrawn
		case v.Corrected:
			note = "corrected " + v.Recorded
		}
		t.Rows = append(t.Rows, []string{v.WindowEnd, v.Name, v.State, v.Reason, view.FormatValue(changes[i].Value), v.LabelsAsText, note})
	}
	t.Data = data
	if len(changes) == 0 {
		t = term.Table{Data: data, Note: "no alert has changed"}
	}
	return t
}
