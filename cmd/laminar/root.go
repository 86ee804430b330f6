package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is what all commands share.
type app struct {
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	environ func(string) (string, bool)

	config string // --config
	output string // --output
}

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	cmd := a.group(&cobra.Command{
		Use:   "laminar",
		Short: "Aggregate tables in PostgreSQL, kept up to date while metrics stream in",
		Long: "Laminar takes in metrics by remote write, keeps every raw sample in PostgreSQL, and\n" +
			"keeps aggregations written in PromQL up to date as ordinary SQL tables.",
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.SetIn(a.stdin)
	cmd.SetOut(a.stdout)
	cmd.SetErr(a.stderr)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: cmd.CommandPath() + " --help"}
	})
	addSettingFlags(cmd.PersistentFlags(), everywhere)
	cmd.PersistentFlags().StringVar(&a.config, "config", "", "YAML file with settings")
	cmd.AddCommand(
		a.serveCommand(), a.flowCommand(), a.refillCommand(), a.jobCommand(), a.sealCommand(),
		a.statusCommand(), a.verifyCommand(), a.psqlCommand(), a.simulateCommand(), a.demoCommand(), a.versionCommand(),
	)
	return cmd
}

// group makes a command that only has commands below it: alone it is a usage
// error that shows the help, with an unknown word it says what was perhaps
// meant.
func (a *app) group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			cmd.SetOut(a.stderr)
			_ = cmd.Help() // it cannot be said on a stream that does not take it
			return quietError(exitUsage)
		}
		hint := cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = cmd.CommandPath() + " " + strings.Join(near, ", or "+cmd.CommandPath()+" ")
		}
		return &usageError{err: fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0]), hint: hint}
	}
	return cmd
}

// takes demands a number of arguments: from least to most, or any number from
// least when most is negative.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return &usageError{
			err:  fmt.Errorf("%s: %d arguments given", cmd.CommandPath(), len(args)),
			hint: cmd.UseLine(),
		}
	}
}

// now is the clock that times typed by people are relative to.
func (a *app) now() time.Time { return time.Now() }
