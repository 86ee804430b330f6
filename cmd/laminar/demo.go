package main

import (
	"context"
	_ "embed" // for the sample flows
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/demoview"
	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowfile"
	"laminar/server"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/localpg"
)

//go:embed demo.yaml
var demoFlows []byte

const (
	demoFallbackDir = "/var/lib/laminar-demo"
	demoHistory     = 5 * time.Minute
	demoInterval    = 2 * time.Second
	demoMaxDelay    = 30 * time.Second
)

func (a *app) demoCommand() *cobra.Command {
	var duration string
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show Laminar at work: a private PostgreSQL, a simulated fleet, tables that fill",
		Example: "  laminar demo --duration 2m",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit, err := parseDuration(duration)
			if err != nil {
				return fmt.Errorf("--duration: %w", err)
			}
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			if !c.Given("log.level", a.environ, cmd) {
				c.Log.Level = "warn" // the tables are what there is to see
			}
			if err := a.demoPlaces(cmd, &c); err != nil {
				return err
			}
			return a.demo(cmd.Context(), &c, limit)
		},
	}
	cmd.Flags().StringVar(&duration, "duration", "0s", "stop after this long; 0s runs until Ctrl-C")
	settings.AddFlags(cmd.Flags(), settings.Serving)
	return cmd
}

// demo serves in this process, sends it the metrics of a simulated fleet and
// shows the result tables until limit is over or ctx ends.
func (a *app) demo(ctx context.Context, c *settings.Config, limit time.Duration) error {
	log := c.Logger(a.stderr)
	_ = term.Say(a.stdout, "starting ...\n")
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	what, err := a.serving(c)
	if err != nil {
		return err
	}
	what.Beside = func(ctx context.Context, svc server.Service) error { return a.demonstrate(ctx, c, svc, log) }
	err = server.Run(ctx, what, log)
	if err == nil || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return term.Say(a.stdout, "\nThe demo has ended; all of its processes have stopped. Its data stays in %s.\n", c.DataDir)
	}
	return err
}

// demoPlaces finds a data directory and an address that can be used, where the
// user did not name any.
func (a *app) demoPlaces(cmd *cobra.Command, c *settings.Config) error {
	if !c.Given("listen", a.environ, cmd) {
		// Another Laminar may use it, or this demo in another window.
		l, err := net.Listen("tcp", c.Web.Listen)
		if err != nil {
			_ = term.Say(a.stdout, "%s is in use; using another port\n", c.Web.Listen)
			c.Web.Listen = "127.0.0.1:0"
		} else if err := l.Close(); err != nil {
			return err
		}
	}
	if c.Database.URL != "" || c.URLFile != "" || c.Given("data_dir", a.environ, cmd) {
		return nil
	}
	var unreachable *localpg.UnreachableError
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return err
	}
	err = localpg.Check(cmd.Context(), localpg.Options{Dir: dir})
	if errors.As(err, &unreachable) && os.Geteuid() == 0 {
		_ = term.Say(a.stdout, "PostgreSQL cannot run as root, and its user %s cannot reach %s: the data goes to %s\n",
			unreachable.User, dir, demoFallbackDir)
		c.DataDir = demoFallbackDir
		return nil
	}
	return err
}

// demonstrate is the part of the service that only a demo has. It returns nil
// when ctx ends.
func (a *app) demonstrate(ctx context.Context, c *settings.Config, svc server.Service, log *slog.Logger) error {
	flows, problems := flowfile.Parse("demo.yaml", demoFlows)
	if len(problems) > 0 {
		return problemsError(problems)
	}
	if _, err := svc.Store.Catalogue.Apply(ctx, flows, flowstore.ApplyOptions{Replace: true, Retention: c.Upkeep.Retention.Milliseconds()}); err != nil {
		return err
	}
	opts := fleet.DefaultOptions()
	opts.Interval, opts.MaxDelay = demoInterval, demoMaxDelay
	client, err := fleet.NewClient("http://"+svc.Address+"/api/v1/write", fleetConnections, fleetPerRequest, log)
	if err != nil {
		return err
	}
	defer client.Close()
	view := &demoview.View{Config: c, Service: svc, Client: client, Flows: flows, Out: a.stdout, Redraw: term.IsTerminal(a.stdout)}
	var group errgroup.Group
	group.Go(func() error {
		return fleet.Run(ctx, fleet.New(opts), client, fleet.RunOptions{History: demoHistory})
	})
	group.Go(func() error { return view.Run(ctx) })
	return group.Wait()
}
