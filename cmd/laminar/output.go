package main

import (
	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/term"
)

// addOutputFlag gives a command that prints a table its --output.
func (a *app) addOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "table or json")
	inner := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if a.output != "table" && a.output != "json" {
			return usagef("--output %s: want table or json", a.output)
		}
		if inner != nil {
			return inner(cmd, args)
		}
		return nil
	}
}

// print writes the table in the form that --output asks for.
func (a *app) print(t term.Table) error {
	if a.output == "json" {
		return term.WriteJSON(a.stdout, t.Data)
	}
	return term.WriteTable(a.stdout, t)
}
