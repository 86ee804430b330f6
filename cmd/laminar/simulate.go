package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
)

// How a simulated fleet sends.
const (
	fleetConnections = 4
	fleetPerRequest  = 2000
)

func (a *app) simulateCommand() *cobra.Command {
	opts, cluster := fleet.DefaultOptions(), fleet.DefaultClusterOptions()
	var url, profile, interval, history, duration, delay string
	cmd := &cobra.Command{
		Use:   "simulate --url URL",
		Short: "Send the metrics of a small simulated fleet to any remote write receiver",
		Long: "Send simulated metrics to any remote write receiver.\n\n" +
			"The profile machines is a small fleet: counters that reset now and then, gauges, a\n" +
			"histogram; some samples late, repeated or overwritten. The profile kubernetes is a\n" +
			"cluster with the metrics that the rules of the Kubernetes mixin read, under the job names\n" +
			"of kube-prometheus: node exporters, kubelets with cAdvisor, kube-state-metrics, API\n" +
			"servers; pods are replaced now and then.",
		Example: "  laminar simulate --duration 5m\n" +
			"  laminar simulate --profile kubernetes --nodes 10 --pods 300",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			run := fleet.RunOptions{}
			for _, d := range []struct {
				flag, text string
				into       *time.Duration
			}{
				{"max-delay", delay, &opts.MaxDelay},
				{"history", history, &run.History}, {"duration", duration, &run.Duration},
			} {
				var err error
				if *d.into, err = parseDuration(d.text); err != nil {
					return fmt.Errorf("--%s: %w", d.flag, err)
				}
			}
			if cmd.Flags().Changed("interval") {
				every, err := parseDuration(interval)
				if err != nil {
					return fmt.Errorf("--interval: %w", err)
				}
				opts.Interval, cluster.Interval = every, every
			}
			cluster.Seed = opts.Seed
			source, err := simulated(cmd, profile, opts, cluster)
			if err != nil {
				return &usageError{err: err}
			}
			if run.History > 0 && !cmd.Flags().Changed("duration") {
				run.Duration = -1
			}
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.simulate(cmd.Context(), url, source, run, c.Logger(a.stderr))
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "http://127.0.0.1:9201/api/v1/write", "where to send; may include user and password")
	f.StringVar(&profile, "profile", "machines", "what is simulated: machines or kubernetes")
	f.IntVar(&cluster.Nodes, "nodes", cluster.Nodes, "kubernetes: number of nodes")
	f.IntVar(&cluster.Pods, "pods", cluster.Pods, "kubernetes: number of pods, beside those that every node runs")
	f.Float64Var(&cluster.Replaced, "replaced", cluster.Replaced, "kubernetes: share of pods that are replaced, per scrape")
	f.IntVar(&opts.Instances, "instances", opts.Instances, fmt.Sprintf("machines: number of them, of %d series each", fleet.SeriesPerInstance))
	f.StringVar(&interval, "interval", "", fmt.Sprintf("time between two scrapes of one target (default %s, of a cluster %s)", view.FormatDuration(opts.Interval), view.FormatDuration(cluster.Interval)))
	f.StringVar(&history, "history", "0s", "how much of the past to send first, as fast as it is accepted; then end, unless --duration is given")
	f.StringVar(&duration, "duration", "0s", "how long to run; 0s runs until Ctrl-C")
	f.StringVar(&delay, "max-delay", view.FormatDuration(opts.MaxDelay), "machines: maximum delay of a late sample")
	f.Float64Var(&opts.Late, "late", opts.Late, "machines: share of samples that arrive late")
	f.Float64Var(&opts.Repeated, "repeated", opts.Repeated, "machines: share of samples that arrive twice")
	f.Float64Var(&opts.Overwritten, "overwritten", opts.Overwritten, "machines: share of samples that arrive again with a different value")
	f.Float64Var(&opts.Restarts, "restarts", opts.Restarts, "machines: probability that one restarts, per scrape")
	a.addOutputFlag(cmd)
	f.Uint64Var(&opts.Seed, "seed", opts.Seed, "seed of the simulation; the same seed gives the same values")
	return cmd
}

// flagsOf is which flags belong to one profile.
var flagsOf = map[string][]string{
	"machines":   {"instances", "max-delay", "late", "repeated", "overwritten", "restarts"},
	"kubernetes": {"nodes", "pods", "replaced"},
}

// simulated is what a profile simulates. Flags of another profile are a fault: they
// would do nothing.
func simulated(cmd *cobra.Command, profile string, machines fleet.Options, cluster fleet.ClusterOptions) (fleet.Source, error) {
	if flagsOf[profile] == nil {
		return nil, fmt.Errorf("--profile %s: want machines or kubernetes", profile)
	}
	for other, flags := range flagsOf {
		for _, flag := range flags {
			if other != profile && cmd.Flags().Changed(flag) {
				return nil, fmt.Errorf("--%s is for --profile %s", flag, other)
			}
		}
	}
	if profile == "kubernetes" {
		if err := cluster.Validate(); err != nil {
			return nil, err
		}
		return fleet.NewCluster(cluster), nil
	}
	if err := machines.Validate(); err != nil {
		return nil, err
	}
	return fleet.New(machines), nil
}

// simulate lets a source send until it is done or ctx ends, and says how much
// was acknowledged.
func (a *app) simulate(ctx context.Context, url string, source fleet.Source, run fleet.RunOptions, log *slog.Logger) error {
	client, err := fleet.NewClient(url, fleetConnections, fleetPerRequest, log)
	if err != nil {
		return &usageError{err: err, hint: "--url http://127.0.0.1:9201/api/v1/write"}
	}
	defer client.Close()
	var refused error
	run.Progress = func(_ time.Time, err error) {
		if err != nil {
			refused = err
			log.Warn("the receiver refused samples", "err", err)
		}
	}
	if err := fleet.Run(ctx, source, client, run); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	failed := refused
	if failed == nil && client.Sent() == 0 {
		failed = client.Trouble()
	}
	sent := view.Simulated{Samples: client.Sent(), Retries: client.Retries()}
	if failed != nil {
		sent.Error = failed.Error()
	}
	note := fmt.Sprintf("%s acknowledged, %s sent again", flowdef.FormatCount(sent.Samples, "sample"), flowdef.FormatCount(sent.Retries, "request"))
	if err := a.print(term.Table{Note: note, Data: sent}); err != nil {
		return err
	}
	switch {
	case client.Sent() == 0 && failed == nil:
		return errors.New("no sample was acknowledged: the simulation ended before a request was answered")
	case client.Sent() == 0:
		hint := "laminar serve, or the --url of a remote write receiver that runs (http://127.0.0.1:9201/api/v1/write)"
		var rejected *fleet.RejectedError
		if errors.As(failed, &rejected) && (rejected.Status == http.StatusUnauthorized || rejected.Status == http.StatusForbidden) {
			hint = "a user who may write, with the password, in --url: http://USER:PASSWORD@HOST:9201/api/v1/write"
		}
		return &hintedError{err: fmt.Errorf("no sample was acknowledged, at last: %w", failed), hint: hint}
	case refused != nil:
		return fmt.Errorf("some samples were refused, at last: %w", refused)
	}
	return nil
}
