package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/executor"
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
				return a.print(explainedTable(out))
			})
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "definition file, directory or glob pattern, or - for standard input; may be repeated")
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
	return a.print(explainedTable(out))
}

func explainedTable(flows []view.Explained) term.Table {
	t := term.Table{Data: flows}
	add := func(name, text string) {
		if text != "" {
			t.Rows = append(t.Rows, []string{name, text})
		}
	}
	for i, f := range flows {
		if i > 0 {
			t.Rows = append(t.Rows, []string{""})
		}
		add("flow", f.Flow)
		add("promql", f.PromQL)
		add("every", f.Every)
		add("emit", f.Emit)
		add("mode", strings.TrimSuffix(f.Mode+": "+f.Why, ": "))
		add("residual", f.Residual)
		add("executor", f.Executor+" (the "+f.SaidBy+" says)")
		if d := f.Data; d != nil {
			add("vector", d.Vector+" of "+d.Position)
			add("link", linkText(d))
		}
		for n, l := range f.Leaves {
			add(fmt.Sprintf("leaf_%d", n+1), l.Leaf)
			add("  state", stateText(&l))
			add("  shared with", strings.Join(l.SharedWith, ", "))
			add("  results of", strings.Join(l.Upstream, ", "))
			if l.Read != nil {
				add("  selects", selectsText(&l))
				add("  "+readName(f.Data), readText(l.Read))
				add("  expected", costText(l.Read))
			}
			add("  executor", choiceText(&l))
		}
	}
	return t
}

// linkText is the connection that reading goes over.
func linkText(d *view.ExplainedData) string {
	how := "assumed, too little was read to tell"
	if d.Measured {
		how = "measured from here"
	}
	speed := "no time for bytes"
	if d.BytesPerSecond > 0 {
		speed = term.FormatBytes(int64(min(d.BytesPerSecond, 1e15))) + "/s"
	}
	return fmt.Sprintf("%s a round trip, %s (%s)", term.FormatSeconds(d.RoundTrip), speed, how)
}

// readName says what the counts of what is read are about.
func readName(d *view.ExplainedData) string {
	if d.Idle {
		return "newest"
	}
	return "to read"
}

func stateText(l *view.ExplainedLeaf) string {
	if l.Pane == "" {
		return fmt.Sprintf("none: samples of %s before each window's end are read", l.Range)
	}
	text := l.State + ", " + flowdef.FormatPanes(l.Panes, l.Pane)
	if l.Offset != "0s" {
		text += ", offset " + l.Offset
	}
	return text
}

// selectsText counts raw series, and results where the leaf may select some.
func selectsText(l *view.ExplainedLeaf) string {
	text := fmt.Sprintf("%d metrics, %d series in %d groups", l.Read.Metrics, l.Read.Series, l.Read.Groups)
	if len(l.Upstream) > 0 {
		text += fmt.Sprintf("; %d results in the newest windows", l.Read.Results)
	}
	return text
}

func readText(r *view.ExplainedRead) string {
	return fmt.Sprintf("%d samples in %d segments, %s (%d unordered, %d sealed)", r.Samples, r.Segments, term.FormatBytes(r.Bytes), r.Unordered, r.Sealed)
}

func costText(r *view.ExplainedRead) string {
	text := "columnar " + term.FormatSeconds(r.Columnar)
	if r.Pushdown > 0 {
		text += fmt.Sprintf(", pushdown %s to %d partials at most", term.FormatSeconds(r.Pushdown), r.Partials)
	}
	return text
}

// choiceText is the executor, and why.
func choiceText(l *view.ExplainedLeaf) string {
	why := map[string]string{
		string(executor.CannotPush): flowdef.NoPush(l.CannotPush).Text(),
		string(executor.ByFlow):     "the flow says so",
		string(executor.BySetting):  "the setting says so",
		string(executor.Shared):     "another leaf needs the columns anyway",
		string(executor.ByCost):     "whichever is expected to be cheaper",
	}[l.Reason]
	reason := l.Reason
	if l.CannotPush != "" {
		reason += ", " + l.CannotPush
	}
	text := fmt.Sprintf("%s (%s): %s", l.Executor, reason, why)
	if l.Refused != "" {
		text += "; pushdown was asked for and is not possible"
	}
	return text
}
