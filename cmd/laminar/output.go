package main

import (
	"encoding/json"
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
	rows := t.rows
	if len(t.head) > 0 {
		head := make([]string, len(t.head))
		for i, name := range t.head {
			head[i] = strings.ToUpper(name)
		}
		rows = append([][]string{head}, rows...)
	}
	for _, row := range rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		if err := say(tw, strings.TrimSuffix(strings.Repeat("%s\t", len(row)), "\t")+"\n", cells...); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if t.note != "" {
		return say(w, "%s\n", t.note)
	}
	return nil
}
