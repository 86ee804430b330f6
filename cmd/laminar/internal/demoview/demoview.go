// Package demoview shows the result tables of the demo while they fill, redrawn in place on
// a terminal.
package demoview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/server"
	"laminar/server/view"
	"laminar/server/web"
	"laminar/sqlstore/flowstore"
)

// How often the demo looks at its tables: often where it can redraw them in
// place, seldom where every look makes new lines.
const (
	redrawEvery = time.Second
	printEvery  = 5 * time.Second
	demoRows    = 5 // of each table at most
)

// Control sequences of terminals.
const (
	toTopLeft  = "\x1b[H"
	clearBelow = "\x1b[J"
	clearAll   = "\x1b[2J"
)

// View shows result tables while they fill. It is for one goroutine.
type View struct {
	Config  *settings.Config
	Service server.Service
	Client  *fleet.Client // whose samples fill them
	Flows   []flowdef.Flow
	Out     io.Writer
	Redraw  bool // in place; Out is a terminal

	shown map[string]time.Time // without redrawing: newest window printed, by flow
}

// Run shows the tables until ctx ends.
func (v *View) Run(ctx context.Context) error {
	every := printEvery
	v.shown = map[string]time.Time{}
	if v.Redraw {
		every = redrawEvery
		_ = steer(v.Out, clearAll)
	} else {
		_ = v.where(v.Out)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := v.show(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, sequence.ErrUnavailable) {
			return err
		}
	}
}

// where says where to look at the same data, and what to type. With the usual address and
// directory it fits on a terminal of 80 columns.
func (v *View) where(w io.Writer) error {
	database := "--data-dir " + v.Config.DataDir
	if v.Config.Database.URL != "" || v.Config.URLFile != "" {
		database = "--database-url ..."
	}
	at := "In a browser: http://" + v.Service.Address + v.Config.Web.Console
	if v.Config.Web.Console == web.ConsoleOff {
		at = "Laminar answers at http://" + v.Service.Address
	}
	return term.Say(w, `%s  (samples /api/v1/write, metrics /metrics)
In another window:
  bin/laminar status %s
  bin/laminar psql %s -c 'table flow.http_requests_rate1m'
  bin/laminar refill http_requests:rate1m --from -5m %s
`, at, database, database, database)
}

func (v *View) show(ctx context.Context) error {
	states, err := v.Service.Store.Catalogue.List(ctx)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	width, height := 0, 0
	if v.Redraw {
		width, height = term.Size(v.Out)
		_ = v.where(&out) // a buffer takes everything
		_ = term.Say(&out, "\n%s received from a simulated fleet; Ctrl-C stops the demo.\n\n", flowdef.FormatCount(v.Client.Sent(), "sample"))
	}
	for _, f := range v.Flows {
		i := slices.IndexFunc(states, func(s flowstore.FlowStatus) bool { return s.Def.Title() == f.Title() })
		if i < 0 {
			continue // deleted in another window
		}
		rows, err := v.Service.Store.Results.Latest(ctx, states[i], rowsThatFit(height, len(v.Flows)))
		if err != nil {
			return err
		}
		if v.Redraw {
			err = v.draw(&out, states[i], rows)
		} else {
			v.line(&out, states[i], rows)
		}
		if err != nil {
			return err
		}
	}
	if v.Redraw {
		return steer(v.Out, toTopLeft+clearBelow+cutLines(out.String(), width))
	}
	return steer(v.Out, out.String())
}

// steer writes what is on its way to a terminal, with control sequences of our
// own; everything else in it has been through say.
func steer(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// rowsThatFit is how many rows each of n tables can have on a terminal of this
// height; 0 stands for output that is not a terminal.
func rowsThatFit(height, n int) int {
	const around, perTable = 9, 3 // lines that are no rows
	if height == 0 {
		return demoRows
	}
	return max(1, min(demoRows, (height-around)/n-perTable))
}

// cutLines cuts what is wider than the terminal: a line that wraps would push
// the rest down with every look.
func cutLines(text string, width int) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if runes := []rune(line); len(runes) > width+1 {
			lines[i] = string(runes[:width]) + "\n"
		}
	}
	return strings.Join(lines, "")
}

// draw writes the newest rows of one table.
func (v *View) draw(out *bytes.Buffer, state flowstore.FlowStatus, rows []flowstore.Result) error {
	_ = term.Say(out, "%s   %s\n", view.TableName(state.Table), strings.Join(strings.Fields(state.Def.PromQL), " "))
	t := term.Table{Head: []string{"window_start", "window_end", "labels", "value"}}
	for _, r := range rows {
		t.Rows = append(t.Rows, []string{clock(r.Start), clock(r.End), spellLabels(r.Labels), spellResult(r)})
	}
	if err := term.WriteTable(out, t); err != nil {
		return err
	}
	out.WriteByte('\n')
	return nil
}

// line writes the rows of the newest window in one line, if it has not been
// written yet.
func (v *View) line(out *bytes.Buffer, state flowstore.FlowStatus, rows []flowstore.Result) {
	if len(rows) == 0 || !rows[0].End.After(v.shown[state.Table]) {
		return
	}
	v.shown[state.Table] = rows[0].End
	_ = term.Say(out, "%s  %-28s", clock(rows[0].End), view.TableName(state.Table))
	for _, r := range rows {
		if r.End.Equal(rows[0].End) {
			_ = term.Say(out, "  %s %s", spellLabels(r.Labels), spellResult(r))
		}
	}
	out.WriteByte('\n')
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

func spellLabels(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

// spellResult spells a result: of a histogram, how much is in it.
func spellResult(r flowstore.Result) string {
	if r.Histogram == nil {
		return spellValue(r.Value)
	}
	var h struct {
		Count any `json:"count"` // a text where it is NaN
	}
	if err := json.Unmarshal(r.Histogram, &h); err != nil {
		return "histogram"
	}
	return fmt.Sprintf("histogram of %v", h.Count)
}

// spellValue spells a value with few enough digits to be read at a glance.
func spellValue(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
