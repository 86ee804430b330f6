package watch

import (
	"encoding/json"
	"fmt"
	"strings"

	"laminar/client"
	"laminar/client/wire"
	"laminar/cmd/laminar/internal/term"
	"laminar/server/view"
)

// print prints what is new.
func (w *Watch) print(b client.Batch) error {
	if w.JSON {
		return w.write(b)
	}
	from := ""
	if b.Source != "" {
		from = b.Source + "  "
	}
	if b.Reset && b.Reason != client.ReasonStart {
		if err := term.Say(w.Out, "%sbegins again: %s\n", from, resetReason(b.Reason)); err != nil {
			return err
		}
	}
	for i := range b.Rows {
		r := &b.Rows[i]
		columns, asJSON := columnsOf(b.Flows, r.Flow)
		state := ""
		if !r.Final {
			state = "  open"
		}
		for _, row := range r.Rows {
			if len(row) == 0 {
				continue
			}
			if err := term.Say(w.Out, "%s%s  %s%s  %s%s\n", from, view.FormatTime(r.WindowEnd.UnixMilli()), r.Flow, labelText(columns, asJSON, row[:len(row)-1]), row[len(row)-1], state); err != nil {
				return err
			}
		}
		for _, row := range r.Gone {
			if err := term.Say(w.Out, "%s%s  %s%s  gone%s\n", from, view.FormatTime(r.WindowEnd.UnixMilli()), r.Flow, labelText(columns, asJSON, row), state); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the messages of a batch, a line each.
func (w *Watch) write(b client.Batch) error {
	lines := make([]any, 0, len(b.Rows)+2)
	add := func(m any) {
		if b.Source != "" {
			m = struct {
				Source  string `json:"source"`
				Message any    `json:"message"`
			}{b.Source, m}
		}
		lines = append(lines, m)
	}
	if b.Reset {
		add(wire.Reset{Type: wire.TypeReset, Reason: b.Reason})
	}
	if b.Reset || !w.told[b.Source] {
		if w.told == nil {
			w.told = map[string]bool{}
		}
		w.told[b.Source] = true
		add(wire.Hello{Type: wire.TypeHello, Protocol: wire.Version, Flows: b.Flows})
	}
	for i := range b.Rows {
		add(&b.Rows[i])
	}
	if b.Progress != nil {
		add(b.Progress)
	}
	enc := json.NewEncoder(w.Out)
	enc.SetEscapeHTML(false)
	for _, line := range lines {
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// columnsOf is the label columns of a flow, and whether they are one text.
func columnsOf(flows []wire.Flow, title string) (columns []string, asJSON bool) {
	for _, f := range flows {
		if f.Flow == title {
			return f.Columns, f.LabelsJSON
		}
	}
	return nil, false
}

// labelText spells the labels of a row, without those that are missing.
func labelText(columns []string, asJSON bool, row []string) string {
	if asJSON {
		return strings.Join(row, "")
	}
	var out []string
	for i, value := range row {
		if value != "" && i < len(columns) {
			out = append(out, fmt.Sprintf("%s=%q", columns[i], value))
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

// resetReason says to people why everything comes again.
func resetReason(reason string) string {
	switch reason {
	case wire.ResetRetention:
		return "changes since the position are no longer known"
	case wire.ResetRebuilt:
		return "the table was built anew"
	case wire.ResetFlows:
		return "the flows are others now"
	case wire.ResetAhead:
		return "the database was set back"
	}
	return reason
}
