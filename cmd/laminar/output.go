package main

import (
	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/term"
)

// addOutputFlag gives a command that prints a table its --output.
func (a *app) addOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "table or json")
	before(cmd, func() error {
		if a.output != "table" && a.output != "json" {
			return usagef("--output %s: want table or json", a.output)
		}
		return nil
	})
}

// mostListed bounds --limit of commands that list.
const mostListed = 100_000

// addLimitFlag gives a command that lists much its --limit.
func addLimitFlag(cmd *cobra.Command, limit *int, usual int, help string) {
	cmd.Flags().IntVar(limit, "limit", usual, help)
	before(cmd, func() error {
		if *limit < 1 || *limit > mostListed {
			return usagef("--limit %d: want 1 to %d", *limit, mostListed)
		}
		return nil
	})
}

// before has a command look at its flags before it runs, and before what looks at
// them already.
func before(cmd *cobra.Command, look func() error) {
	inner := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := look(); err != nil || inner == nil {
			return err
		}
		return inner(cmd, args)
	}
}

// print writes the table in the form that --output asks for.
func (a *app) print(t term.Table) error {
	if a.output == "json" {
		return term.WriteJSON(a.stdout, t.Data)
	}
	return term.WriteTable(a.stdout, t)
}
