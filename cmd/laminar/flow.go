package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/flowview"
	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
)

func (a *app) flowCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{Use: "flow", Short: "Check, apply and inspect flows"})
	cmd.AddCommand(a.flowValidateCommand(), a.flowApplyCommand(), a.flowListCommand(),
		a.flowShowCommand(), a.flowExplainCommand(), a.flowStateCommand(), a.flowTestCommand(), a.flowImportCommand(), a.flowCompareCommand(), a.flowDeleteCommand(), a.flowWaitCommand(), a.flowWatchCommand())
	return cmd
}

// addFilesFlag adds -f, which is required.
func addFilesFlag(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVarP(files, "file", "f", nil, "definition `file`, directory or glob pattern, or - for standard input; may be repeated")
	inner := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if len(*files) == 0 {
			return &usageError{err: fmt.Errorf("%s: no definitions given", cmd.CommandPath()), hint: cmd.CommandPath() + " -f flows.yaml"}
		}
		if inner != nil {
			return inner(cmd, args)
		}
		return nil
	}
}

func (a *app) flowValidateCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:     "validate -f FILE",
		Short:   "Check definitions without a database, and show how each is kept",
		Example: "  laminar flow validate -f flows.yaml\n  laminar flow validate -f 'rules/*.yml' --output json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			all, err := a.parseDefinitions(&c, files)
			if err != nil {
				return err
			}
			flows, err := applyplan.Places(all.Flows)
			if err != nil {
				return err
			}
			return a.print(validated(flows))
		},
	}
	addFilesFlag(cmd, &files)
	a.addOutputFlag(cmd)
	return cmd
}

func validated(flows []flowdef.Flow) term.Table {
	t := term.Table{Head: []string{"flow", "table", "every", "mode", "how it is kept"}}
	data := view.Each(flows, view.NewDefinition)
	for _, v := range data {
		for j, how := range v.Kept {
			if j == 0 {
				t.Rows = append(t.Rows, []string{v.Flow, v.Table, v.Every, view.ModeText(v.Mode, v.Approximate), how})
			} else {
				t.Rows = append(t.Rows, []string{"", "", "", "", how})
			}
		}
	}
	t.Data = data
	t.Note = "no faults"
	if len(flows) == 0 {
		t = term.Table{Data: data, Note: noFlows}
	}
	return t
}

// noFlows is said of definitions without any, which are no fault.
const noFlows = "no flows: the definitions hold none under `flows:` or `groups:`, and are no list of `- promql:`; see docs/definitions.md"

func (a *app) flowApplyCommand() *cobra.Command {
	var files []string
	var replace, cascade bool
	var patience func() pg.Patience
	cmd := &cobra.Command{
		Use:     "apply -f FILE",
		Short:   "Write definitions to the catalogue; other flows stay as they are",
		Example: "  laminar flow apply -f flows.yaml\n  laminar flow apply -f flows.yaml --replace",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			all, err := a.parseDefinitions(&c, files)
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				results, err := store.Catalogue.Patiently(patience()).Apply(ctx, all.Flows, flowstore.ApplyOptions{
					Replace: replace, Cascade: cascade, Retention: c.Upkeep.Retention.Milliseconds(),
				})
				if err != nil {
					return err
				}
				return a.print(applied(all.Flows, results))
			})
		},
	}
	patience = a.addLockTimeout(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "drop the results of changed definitions and compute them anew, as far back as backfill says; grants, indexes, comments and views of their tables stay")
	cmd.Flags().BoolVar(&cascade, "cascade", false, "with --replace: let go what cannot be made again for a table with other columns, and name it")
	addFilesFlag(cmd, &files)
	a.addOutputFlag(cmd)
	return cmd
}

// applied shows what became of the flows. The results begin with those of the flows, in
// their order.
func applied(flows []flowdef.Flow, results []flowstore.ApplyResult) term.Table {
	t := term.Table{Head: []string{"flow", "table", "action"}}
	data := view.Each(results, view.NewApplied)
	for _, r := range data {
		t.Rows = append(t.Rows, []string{r.Flow, r.Table, r.Action})
		for _, lost := range r.Lost {
			t.Rows = append(t.Rows, []string{"", "", "lost: " + lost})
		}
	}
	for i, f := range flows {
		if (results[i].Action == applyplan.Created || results[i].Action == applyplan.Replaced) && f.Backfill == (flowdef.Backfill{}) {
			t.Note = emptyAtFirst
		}
	}
	t.Data = data
	if len(results) == 0 {
		t = term.Table{Data: data, Note: noFlows}
	}
	return t
}

// emptyAtFirst is said of flows that were created or replaced without a backfill.
const emptyAtFirst = "results of new and replaced flows begin with the first window that closes from now on; older ones: laminar refill NAME --from -1h"

func (a *app) flowListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all flows and their progress",
		Example: "  laminar flow list",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				flows, err := store.Catalogue.List(ctx)
				if err != nil {
					return err
				}
				return a.print(flowview.List(flows))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) flowShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one flow: its definition, how it is kept, and its progress",
		Example: "  laminar flow show http_requests:rate5m",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				flows, err := store.Catalogue.Show(ctx, args[0])
				if err != nil {
					return err
				}
				metadata, err := store.Senders.Metadata(ctx, view.MetricNames(flows))
				if err != nil {
					return err
				}
				var alerts []alertstore.Listed
				if slices.ContainsFunc(flows, func(f flowstore.FlowStatus) bool { return f.Def.Alert != nil }) {
					if alerts, err = store.Alerts.List(ctx); err != nil {
						return err
					}
				}
				return a.print(flowview.Show(flows, metadata, alerts))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) flowDeleteCommand() *cobra.Command {
	var patience func() pg.Patience
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a flow and its results",
		Example: "  laminar flow delete http_requests:rate5m",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				if err := store.Catalogue.Patiently(patience()).Delete(ctx, args[0]); err != nil {
					return err
				}
				return a.print(term.Table{Note: args[0] + " is gone, and its results", Data: view.Deleted{Flow: args[0], Action: "deleted"}})
			})
		},
	}
	patience = a.addLockTimeout(cmd)
	a.addOutputFlag(cmd)
	return cmd
}

// addLockTimeout adds --lock-timeout, and gives how it is waited for locks once the
// flags are parsed.
func (a *app) addLockTimeout(cmd *cobra.Command) func() pg.Patience {
	text := cmd.Flags().String("lock-timeout", view.FormatDuration(pg.DefaultLockTimeout), "how long to wait for others who use a table that is to be dropped or changed")
	var limit time.Duration
	before(cmd, func() (err error) {
		if limit, err = parseDuration(*text); err != nil {
			return fmt.Errorf("--lock-timeout: %w", err)
		}
		return nil
	})
	return func() pg.Patience {
		return pg.Patience{
			Limit:   max(limit, time.Millisecond),
			Waiting: func(what string) { _ = term.Say(a.stderr, "%s\n", what) },
		}
	}
}
