package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/flownode/flowfile"
	"laminar/server"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Receive samples and keep the flows up to date",
		Long: "Receive samples by remote write and keep the flows up to date, in one process. Without\n" +
			"a database URL, run a private PostgreSQL in the data directory. On SIGHUP, and on POST\n" +
			"/-/reload, read the files of --flows again and apply what has changed in them.",
		Example: "  laminar serve --data-dir /var/lib/laminar\n" +
			"  laminar serve --database-url postgres://laminar@db.example.org/laminar --flows 'rules/*.yml'",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			what, err := a.serving(&c)
			if err != nil {
				return err
			}
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			what.Hangups = hangups
			return server.Run(cmd.Context(), what, c.Logger(a.stderr))
		},
	}
	settings.AddFlags(cmd.Flags(), settings.Serving)
	return cmd
}

// serving is what a serving process is to do: the settings, with what they only
// name read.
func (a *app) serving(c *settings.Config) (server.Config, error) {
	what := c.Config
	what.Version = version
	var err error
	if what.Database.URL, err = c.DatabaseURL(); err != nil {
		return what, err
	}
	if c.URLFile != "" {
		what.Database.URLAgain = c.DatabaseURL
	}
	if len(c.FlowFiles) > 0 {
		what.FlowsAgain = func() (flowfile.Definitions, error) { return a.parseDefinitions(c, c.FlowFiles) }
		what.Flows, err = what.FlowsAgain()
	}
	return what, err
}
