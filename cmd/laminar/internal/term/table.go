package term

import (
	"encoding/json"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is what a command prints: Head, Rows and Note for people, Data for
// programs. Data is what --output json encodes; its field names are part of what
// scripts rely on.
type Table struct {
	Head []string
	Rows [][]string
	Note string // a line below the rows, "" for none
	Data any
}

// WriteJSON writes data for programs.
func WriteJSON(w io.Writer, data any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(data)
}

// WriteTable writes what people see of a table: names of columns in capitals,
// columns below each other, the note.
func WriteTable(w io.Writer, t Table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := t.Rows
	if len(t.Head) > 0 {
		head := make([]string, len(t.Head))
		for i, name := range t.Head {
			head[i] = strings.ToUpper(name)
		}
		rows = append([][]string{head}, rows...)
	}
	for _, row := range rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		if err := Say(tw, strings.TrimSuffix(strings.Repeat("%s\t", len(row)), "\t")+"\n", cells...); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if t.Note != "" {
		return Say(w, "%s\n", t.Note)
	}
	return nil
}
