package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// table is what a command prints: rows for people, data for programs. data is
// what --output json encodes; its field names are part of what scripts rely
// on.
type table struct {
	head []string
	rows [][]string
	note string // a line below the rows, "" for none
	data any
}

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
func (a *app) print(t table) error {
	if a.output == "json" {
		return writeJSON(a.stdout, t.data)
	}
	return writeTable(a.stdout, t)
}

func writeJSON(w io.Writer, data any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(data)
}

func writeTable(w io.Writer, t table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(t.head) > 0 {
		fmt.Fprintln(tw, strings.ToUpper(strings.Join(t.head, "\t")))
	}
	for _, row := range t.rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if t.note != "" {
		_, err := fmt.Fprintln(w, t.note)
		return err
	}
	return nil
}
