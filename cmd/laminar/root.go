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
	a.explain(cmd)
	return cmd
}

// explain has the commands that cobra itself brings, help and completion, say of a word
// that is none of the commands what all others say of it.
func (a *app) explain(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			a.group(cmd)
		case "help":
			cmd.Run, cmd.Example = nil, "  laminar help flow apply"
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				switch {
				case err != nil:
					return err
				case len(rest) > 0 && of.HasSubCommands():
					return of.RunE(of, rest)
				}
				of.InitDefaultHelpFlag()
				return of.Help()
			}
		}
	}
}
