package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/fleet"
	"laminar/server/view"
)

// How a simulated fleet sends.
const (
	fleetConnections = 4
	fleetPerRequest  = 2000
)

func (a *app) simulateCommand() *cobra.Command {
	opts := fleet.DefaultOptions()
	var url, interval, history, duration, delay string
	cmd := &cobra.Command{
		Use:   "simulate --url URL",
		Short: "Send the metrics of a small simulated fleet to any remote write receiver",
		Long: "Send the metrics of a small simulated fleet to any remote write receiver: counters that\n" +
			"reset now and then, gauges, a histogram; some samples late, repeated or overwritten.",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			run := fleet.RunOptions{}
			for _, d := range []struct {
				flag, text string
				into       *time.Duration
			}{
				{"interval", interval, &opts.Interval}, {"max-delay", delay, &opts.MaxDelay},
				{"history", history, &run.History}, {"duration", duration, &run.Duration},
			} {
				var err error
				if *d.into, err = parseDuration(d.text); err != nil {
					return fmt.Errorf("--%s: %w", d.flag, err)
				}
			}
			if err := opts.Validate(); err != nil {
				return &usageError{err: err}
			}
			if run.History > 0 && !cmd.Flags().Changed("duration") {
				run.Duration = -1
			}
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.simulate(cmd.Context(), url, opts, run, c.Logger(a.stderr))
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "http://127.0.0.1:9201/api/v1/write", "where to send; may include user and password")
	f.IntVar(&opts.Instances, "instances", opts.Instances, fmt.Sprintf("number of machines, of %d series each", fleet.SeriesPerInstance))
	f.StringVar(&interval, "interval", view.FormatDuration(opts.Interval), "time between two scrapes of a machine")
	f.StringVar(&history, "history", "0s", "how much of the past to send first, as fast as it is accepted; then end, unless --duration is given")
	f.StringVar(&duration, "duration", "0s", "how long to run; 0s runs until Ctrl-C")
	f.StringVar(&delay, "max-delay", view.FormatDuration(opts.MaxDelay), "maximum delay of a late sample")
	f.Float64Var(&opts.Late, "late", opts.Late, "share of samples that arrive late")
	f.Float64Var(&opts.Repeated, "repeated", opts.Repeated, "share of samples that arrive twice")
	f.Float64Var(&opts.Overwritten, "overwritten", opts.Overwritten, "share of samples that arrive again with a different value")
	f.Float64Var(&opts.Restarts, "restarts", opts.Restarts, "probability that a machine restarts, per scrape")
	a.addOutputFlag(cmd)
	f.Uint64Var(&opts.Seed, "seed", opts.Seed, "seed of the simulation; the same seed gives the same values")
	return cmd
}

// simulate lets a fleet send until it is done or ctx ends, and says how much
// was acknowledged.
func (a *app) simulate(ctx context.Context, url string, opts fleet.Options, run fleet.RunOptions, log *slog.Logger) error {
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
	if err := fleet.Run(ctx, fleet.New(opts), client, run); err != nil {
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
	note := fmt.Sprintf("%d samples acknowledged, %d requests sent again", sent.Samples, sent.Retries)
	if err := a.print(table{note: note, data: sent}); err != nil {
		return err
	}
	switch {
	case client.Sent() == 0 && failed == nil:
		return errors.New("no sample was acknowledged: the simulation ended before a request was answered")
	case client.Sent() == 0:
		return &hintedError{
			err:  fmt.Errorf("no sample was acknowledged, at last: %w", failed),
			hint: "laminar serve, or the --url of a remote write receiver that runs (http://127.0.0.1:9201/api/v1/write)",
		}
	case refused != nil:
		return fmt.Errorf("some samples were refused, at last: %w", refused)
	}
	return nil
}
