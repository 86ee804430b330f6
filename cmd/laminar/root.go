package main

import (
	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
)

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	cmd := a.group(&cobra.Command{
		Use:   "laminar",
		Short: "Aggregate tables in PostgreSQL, kept up to date while metrics stream in",
		Long: "Laminar receives metrics by remote write, keeps every raw sample in PostgreSQL, and\n" +
			"keeps aggregations written in PromQL up to date as ordinary SQL tables.",
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	cmd.Version = versionText()
	cmd.SetVersionTemplate("{{.Version}}\n")
	cmd.SetIn(a.stdin)
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: flagHint(cmd, err)}
	})
	settings.AddFlags(cmd.PersistentFlags(), settings.Everywhere)
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "YAML file with settings")
	cmd.AddCommand(
		a.serveCommand(), a.flowCommand(), a.refillCommand(), a.jobCommand(), a.alertCommand(), a.sealCommand(),
		a.statusCommand(), a.seriesCommand(), a.retentionCommand(),
		a.grantCommand(), a.tokenCommand(), a.verifyCommand(), a.psqlCommand(), a.simulateCommand(), a.demoCommand(), a.versionCommand(), a.manCommand(),
	)
	return cmd
}
