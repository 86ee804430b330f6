package main

import (
	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/server"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Receive samples and keep the flows up to date",
		Long: "Receive samples by remote write and keep the flows up to date, in one process. Without\n" +
			"a database URL, run a private PostgreSQL in the data directory.",
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
		what.Flows, err = a.parseDefinitions(c, c.FlowFiles)
	}
	return what, err
}
