package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/compare"
	"laminar/cmd/laminar/internal/settings"
	"laminar/sequence"
	"laminar/server"
	"laminar/server/view"
	"laminar/sqlstore"
)

func (a *app) flowCompareCommand() *cobra.Command {
	opts := compare.Options{From: sequence.NoTime, To: sequence.NoTime}
	var from, to string
	cmd := &cobra.Command{
		Use:   "compare NAME --prometheus URL",
		Short: "Compare a flow's table with what a Prometheus says",
		Long: "Ask Prometheus, or who has its API, for the flow's expression at the ends of windows with\n" +
			"from < end <= to, and compare the answers with the rows of the table. --query asks for\n" +
			"something else, such as the metric that a recording rule there writes. The exit code is 1 if\n" +
			"any cell differs or is missing on one side. Nothing is changed.\n\n" +
			"Windows that are to be computed again are left out and counted. Of native histograms,\n" +
			"count and sum are compared. Sessions cannot be, as PromQL has none, and totals that read\n" +
			"their own results only by --query. Where max_groups or the policy for late samples lets\n" +
			"rows differ, that is said.\n\n" + view.TimeForms,
		Example: "  laminar flow compare job:http_requests:rate5m --prometheus http://prometheus:9090 --from -1d\n" +
			"  laminar flow compare job:errors:total --prometheus http://vm:8428 --query 'errors_total:1m_by_job_total'",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if u, err := url.Parse(opts.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return &usageError{err: fmt.Errorf("--prometheus: want an address such as http://prometheus:9090"), hint: cmd.CommandPath() + " " + args[0] + " --prometheus http://localhost:9090"}
			}
			if !(opts.Tolerance >= 0 && opts.Tolerance < 1) {
				return usagef("--tolerance: want a number from 0 to below 1, not %v", opts.Tolerance)
			}
			bounds, err := verifyOptions(from, to, "100%", "0", a.now())
			if err != nil {
				return err
			}
			opts.From, opts.To = bounds.From, bounds.To
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				flows, err := namedFlows(ctx, store, args[:1])
				if err != nil {
					return err
				}
				c := compare.Command{Store: server.NodeStore{Store: store}, Options: opts, Out: a.stdout, Err: a.stderr, JSON: a.output == "json"}
				for _, f := range flows {
					c.Flows = append(c.Flows, compare.Named{ID: f.ID, Def: f.Def})
				}
				equal, err := c.Run(ctx)
				if err == nil && !equal {
					return quietError(exitFault)
				}
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.URL, "prometheus", "", "address of the API, without /api/v1; may include user and password")
	f.StringVar(&opts.Query, "query", "", "expression to ask for; by default the flow's own")
	f.StringVar(&from, "from", "", "start of the span, exclusive; by default an hour before its end")
	f.StringVar(&to, "to", "", "end of the span, inclusive; by default the newest closed window")
	f.Float64Var(&opts.Tolerance, "tolerance", 1e-9, "relative difference that is taken for rounding")
	a.addOutputFlag(cmd)
	return cmd
}
