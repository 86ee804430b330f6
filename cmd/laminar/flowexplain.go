package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/sqlstore"
)

func (a *app) flowExplainCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "explain NAME | -f FILE",
		Short: "Show how a flow is computed, what its next round reads, and who aggregates",
		Long: "Take a flow apart: its leaves and what is left of the expression, the state that each\n" +
			"leaf keeps, the samples that the next round has to read, and what that is expected to\n" +
			"cost by each executor. The connection's speed is measured from here, by reading the\n" +
			"newest commits; the flownode measures its own. Nothing is changed.\n\n" +
			"With -f the flows of files are taken apart without a database.",
		Example: "  laminar flow explain http_requests:rate5m",
		Args:    takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (len(files) == 0) {
				return &usageError{err: fmt.Errorf("%s: want the name of a flow, or -f", cmd.CommandPath()), hint: cmd.CommandPath() + " NAME"}
			}
			if len(files) > 0 {
				return a.explainFiles(cmd, files)
			}
			return a.withStore(cmd, func(ctx context.Context, c *config, store *sqlstore.Store) error {
				flows, err := store.ShowFlow(ctx, args[0])
				if err != nil {
					return err
				}
				var out []explainedFlow
				for _, f := range flows {
					x, err := flownode.Explain(ctx, nodeStore{store}, f.ID, flowdef.Executor(c.Flownode.Executor))
					if err != nil {
						return fmt.Errorf("explain flow %s: %w", f.Def.Title(), err)
					}
					out = append(out, explained(c, x))
				}
				return a.print(explainedTable(out))
			})
		},
	}
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, directory or pattern of definitions, - for standard input; may be repeated")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) explainFiles(cmd *cobra.Command, files []string) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	flows, err := a.parseDefinitions(&c, files)
	if err != nil {
		return err
	}
	out := make([]explainedFlow, len(flows))
	for i, f := range flows {
		out[i] = explainedDefinition(&c, f)
	}
	return a.print(explainedTable(out))
}

// explainedFlow is a flow as `flow explain --output json` shows it. Without a
// database there is no Data.
type explainedFlow struct {
	Flow     string          `json:"flow"`
	PromQL   string          `json:"promql"`
	Every    string          `json:"every"`
	Mode     string          `json:"mode"`               // incremental or batch
	Why      string          `json:"why,omitempty"`      // batch, of the whole expression
	Residual string          `json:"residual,omitempty"` // over leaf_1, leaf_2, ...
	Executor string          `json:"executor"`           // as the definition or else the setting says
	SaidBy   string          `json:"said_by"`            // flow or setting
	Data     *explainedData  `json:"data,omitempty"`
	Leaves   []explainedLeaf `json:"leaves"`
}

// explainedData is what is common to all leaves of a flow in a database.
type explainedData struct {
	Vector         string  `json:"vector"`
	Position       string  `json:"position"`
	Since          string  `json:"since"` // what the leaves' counts begin after
	Idle           bool    `json:"idle"`  // nothing has come since the vector: since is some commits earlier
	RoundTrip      float64 `json:"round_trip_seconds"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	Measured       bool    `json:"measured"` // or assumed
}

// explainedLeaf is a leaf, and what the next round does about it.
type explainedLeaf struct {
	Leaf       string         `json:"leaf"`
	State      string         `json:"state"`
	Range      string         `json:"range"`
	Offset     string         `json:"offset"`
	Pane       string         `json:"pane,omitempty"`
	Panes      int64          `json:"panes,omitempty"`
	CannotPush string         `json:"cannot_push,omitempty"`
	Executor   string         `json:"executor"`          // auto where only data tell
	Reason     string         `json:"reason"`            // of the executor
	Refused    string         `json:"refused,omitempty"` // why it is not pushdown though that was said
	Read       *explainedRead `json:"read,omitempty"`
}

// explainedRead is what the next round reads for a leaf.
type explainedRead struct {
	Metrics   int     `json:"metrics"`
	Series    int     `json:"series"`
	Groups    int     `json:"groups"`
	Segments  int64   `json:"segments"`
	Samples   int64   `json:"samples"`
	Bytes     int64   `json:"bytes"`
	Unordered int64   `json:"unordered_samples"`
	Sealed    int64   `json:"sealed_samples"`
	Partials  int64   `json:"partials"` // at most
	Columnar  float64 `json:"columnar_seconds"`
	Pushdown  float64 `json:"pushdown_seconds,omitempty"` // where it is possible
}

// explainedDefinition is what a definition alone tells.
func explainedDefinition(c *config, f flowdef.Flow) explainedFlow {
	out := explainedFlow{
		Flow: f.Title(), PromQL: f.PromQL, Every: formatMillis(f.Every), Mode: f.Expr.Mode(), Why: f.Expr.Why,
		Residual: f.Expr.ResidualText(), Executor: string(f.Executor), SaidBy: "flow", Leaves: []explainedLeaf{},
	}
	if f.Executor == "" {
		out.Executor, out.SaidBy = c.Flownode.Executor, "setting"
	}
	for i := range f.Expr.Leaves {
		l := &f.Expr.Leaves[i]
		choice := flowplan.ChooseExecutor(l.CannotPush(), f.Executor, flowdef.Executor(c.Flownode.Executor), flowplan.Reading{}, flowplan.Link{})
		e := explainedLeaf{
			Leaf: l.Text, State: l.State.String(), Range: formatMillis(l.Range), Offset: formatMillis(l.Offset),
			CannotPush: string(l.CannotPush()), Executor: string(choice.Executor), Reason: string(choice.Reason), Refused: string(choice.Refused),
		}
		if choice.Reason == flowplan.ExecutorByCost {
			e.Executor = string(flowdef.ExecutorAuto)
		}
		if !l.Batch {
			e.Pane, e.Panes = formatMillis(l.Pane), l.Panes
		}
		out.Leaves = append(out.Leaves, e)
	}
	return out
}

// explained is a flow of the catalogue.
func explained(c *config, x flownode.Explanation) explainedFlow {
	out := explainedDefinition(c, x.Def)
	out.Data = &explainedData{
		Vector: x.Vector.String(), Position: x.Position.String(), Since: x.Since.String(), Idle: x.Idle,
		RoundTrip: x.Link.RoundTrip.Seconds(), Measured: x.Measured,
	}
	if x.Link.PerByte > 0 {
		out.Data.BytesPerSecond = 1 / x.Link.PerByte
	}
	for i := range x.Leaves {
		in, e := &x.Leaves[i], &out.Leaves[i]
		e.Executor, e.Reason = string(in.Choice.Executor), string(in.Choice.Reason)
		e.Read = &explainedRead{
			Metrics: in.Metrics, Series: in.Series, Groups: in.Groups, Segments: in.Segments, Samples: in.Samples, Bytes: in.Bytes,
			Unordered: in.Unordered, Sealed: in.Sealed, Partials: in.Reading.Partials, Columnar: in.Columnar.Seconds(),
		}
		if e.CannotPush == "" {
			e.Read.Pushdown = in.Pushdown.Seconds()
		}
	}
	return out
}

func explainedTable(flows []explainedFlow) table {
	t := table{data: flows}
	add := func(name, text string) {
		if text != "" {
			t.rows = append(t.rows, []string{name, text})
		}
	}
	for i, f := range flows {
		if i > 0 {
			t.rows = append(t.rows, []string{""})
		}
		add("flow", f.Flow)
		add("promql", f.PromQL)
		add("every", f.Every)
		add("mode", strings.TrimSuffix(f.Mode+": "+f.Why, ": "))
		add("residual", f.Residual)
		add("executor", f.Executor+" (the "+f.SaidBy+" says)")
		if d := f.Data; d != nil {
			add("vector", d.Vector+" of "+d.Position)
			add("link", d.text())
		}
		for n, l := range f.Leaves {
			add(fmt.Sprintf("leaf_%d", n+1), l.Leaf)
			add("  state", l.stateText())
			if l.Read != nil {
				add("  selects", fmt.Sprintf("%d metrics, %d series in %d groups", l.Read.Metrics, l.Read.Series, l.Read.Groups))
				add("  "+f.Data.readName(), l.Read.text())
				add("  expected", l.Read.costs())
			}
			add("  executor", l.choiceText())
		}
	}
	return t
}

func (d *explainedData) text() string {
	how := "assumed, too little was read to tell"
	if d.Measured {
		how = "measured from here"
	}
	speed := "no time for bytes"
	if d.BytesPerSecond > 0 {
		speed = formatBytes(int64(min(d.BytesPerSecond, 1e15))) + "/s"
	}
	return fmt.Sprintf("%s a round trip, %s (%s)", formatSeconds(d.RoundTrip), speed, how)
}

// readName says what the counts of what is read are about.
func (d *explainedData) readName() string {
	if d.Idle {
		return "newest"
	}
	return "to read"
}

func (l *explainedLeaf) stateText() string {
	if l.Pane == "" {
		return fmt.Sprintf("none: samples of %s before each window's end are read", l.Range)
	}
	text := fmt.Sprintf("%s, %d panes of %s", l.State, l.Panes, l.Pane)
	if l.Offset != "0s" {
		text += ", offset " + l.Offset
	}
	return text
}

func (r *explainedRead) text() string {
	return fmt.Sprintf("%d samples in %d segments, %s (%d unordered, %d sealed)", r.Samples, r.Segments, formatBytes(r.Bytes), r.Unordered, r.Sealed)
}

func (r *explainedRead) costs() string {
	text := "columnar " + formatSeconds(r.Columnar)
	if r.Pushdown > 0 {
		text += fmt.Sprintf(", pushdown %s to %d partials at most", formatSeconds(r.Pushdown), r.Partials)
	}
	return text
}

// choiceText is the executor, and why.
func (l *explainedLeaf) choiceText() string {
	why := map[string]string{
		string(flowplan.ExecutorCannotPush): flowdef.NoPush(l.CannotPush).Text(),
		string(flowplan.ExecutorByFlow):     "the flow says so",
		string(flowplan.ExecutorBySetting):  "the setting says so",
		string(flowplan.ExecutorShared):     "another leaf needs the columns anyway",
		string(flowplan.ExecutorByCost):     "whichever is expected to be cheaper",
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

// formatSeconds spells a short time with three digits or so.
func formatSeconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
