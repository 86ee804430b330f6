package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"laminar/flownode/flowdef"
)

// app is what all commands share.
type app struct {
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	environ func(string) (string, bool)
	listed  func() []string // the whole environment, NAME=value

	config string // --config
	output string // --output

	typed []byte // definitions from standard input, once they have been read
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
			err:  fmt.Errorf("%s: %s given", cmd.CommandPath(), flowdef.FormatCount(len(args), "argument")),
			hint: cmd.UseLine(),
		}
	}
}

// now is the clock that times typed by people are relative to.
func (a *app) now() time.Time { return time.Now() }
