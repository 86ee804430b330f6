package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/explainview"
	"laminar/cmd/laminar/internal/settings"
	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

func (a *app) flowExplainCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "explain NAME | -f FILE",
		Short: "Show how a flow is computed, what its next round reads, and which executor aggregates",
		Long: "Show the leaves of a flow and the rest of its expression, the state that each leaf\n" +
			"keeps, the samples that the next round has to read, and what each executor is expected\n" +
			"to cost. This command measures the speed of its own connection by reading the newest\n" +
			"commits; the flownode measures its own. Nothing is changed.\n\n" +
			"With -f, explain the flows of definition files, without a database.",
		Example: "  laminar flow explain http_requests:rate5m",
		Args:    takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (len(files) == 0) {
				return &usageError{err: fmt.Errorf("%s: want the name of a flow, or -f", cmd.CommandPath()), hint: cmd.CommandPath() + " NAME"}
			}
			if len(files) > 0 {
				return a.explainFiles(cmd, files)
			}
			return a.withStore(cmd, func(ctx context.Context, c *settings.Config, store *sqlstore.Store) error {
				flows, err := store.Catalogue.Show(ctx, args[0])
				if err != nil {
					return err
				}
				listed, err := store.Catalogue.List(ctx)
				if err != nil {
					return err
				}
				all := view.Each(listed, func(f flowstore.FlowStatus) flowdef.Flow { return f.Def })
				var out []view.Explained
				for _, f := range flows {
					setting := c.Flownode.Executor
					x, err := explainFlow(ctx, store, f.ID, setting)
					if err != nil {
						return fmt.Errorf("explain flow %s: %w", f.Def.Title(), err)
					}
					out = append(out, view.NewExplained(x, setting, all))
				}
				return a.print(explainview.Table(out))
			})
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "definition `file`, directory or glob pattern, or - for standard input; may be repeated")
	a.addOutputFlag(cmd)
	return cmd
}

// explainFlow looks at a flow in a snapshot of its own.
func explainFlow(ctx context.Context, store *sqlstore.Store, id progress.FlowID, setting flowdef.Executor) (explain.Explanation, error) {
	snap, err := store.Catalogue.Stored(ctx)
	if err != nil {
		return explain.Explanation{}, fmt.Errorf("take a snapshot: %w", err)
	}
	x, err := explain.Explain(ctx, snap, id, setting, time.Now)
	return x, errors.Join(err, snap.Close(context.WithoutCancel(ctx)))
}

func (a *app) explainFiles(cmd *cobra.Command, files []string) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	all, err := a.parseDefinitions(&c, files)
	if err != nil {
		return err
	}
	out := view.Each(all.Flows, func(f flowdef.Flow) view.Explained {
		return view.NewExplainedDefinition(f, c.Flownode.Executor, all.Flows)
	})
	return a.print(explainview.Table(out))
}
