package ownapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

const rateFlow = `flows:
  - {name: requests:rate1m, every: 30s, backfill: all, promql: 'sum by (i) (rate(requests_total[1m]))'}
`

// TestFlows: the list says of each flow what the catalogue says, and what is in memory of
// it where this process keeps it; another process leaves that out.
func TestFlows(t *testing.T) {
	w := newWorld(t, rateFlow+`  - {name: requests:max, every: 1m, backfill: all, promql: 'max_over_time(requests:rate1m[2m])'}
`)
	last := w.base + 59*minute + 30*second
	w.caughtUp("requests:rate1m", last)
	var flows view.Flows
	w.until("the flow's memory is known", func() bool {
		flows = get[view.Flows](w, "flows")
		return flows.Leads && len(flows.Flows) == 2 && flows.Flows[0].Memory != nil && flows.Flows[0].Memory.Panes > 0
	})
	f := flows.Flows[0]
	if f.Flow != "requests:rate1m" || f.State != view.OK || f.Every != "30s" || f.Mode != "incremental" || f.Executor != "auto" ||
		f.StoredUntil != view.FormatTime(last) || f.Memory.Series != 4 || f.Memory.Groups != 4 || f.Memory.Bytes == 0 {
		t.Errorf("the flow is %+v with memory %+v", f, f.Memory)
	}
	pages := get[view.FlowPages](w, "flow", "flow", "requests:rate1m")
	p := pages.Flows[0]
	if len(pages.Flows) != 1 || p.Flow.Flow != f.Flow || p.Vector == "" || p.Query != "requests:rate1m" || !slices.Equal(p.ReadBy, []string{"requests:max"}) || len(p.Reads) != 0 {
		t.Errorf("the page is %+v", p)
	}
	if want := []view.Column{{Name: "window_start", Type: "timestamp with time zone"}, {Name: "window_end", Type: "timestamp with time zone"}, {Name: "i", Type: "text"}, {Name: "value", Type: "double precision"}}; !slices.Equal(p.Columns, want) {
		t.Errorf("columns %v, want %v", p.Columns, want)
	}
	w.Exec(p.SQL) // it can be copied as it is
	if len(p.Explained.Leaves) != 1 || p.Explained.Leaves[0].Pane != "30s" {
		t.Errorf("explained as %+v", p.Explained)
	}
	if x := get[view.ExplainedFlows](w, "flow/explain", "flow", "requests:rate1m"); x.Flows[0].Leaves[0].Read.Series != 4 {
		t.Errorf("explained with data as %+v", x)
	}
	var in view.Installation
	w.until("this process leads", func() bool { // a busy server may not renew the lease in time
		in = get[view.Installation](w, "installation")
		return in.Leads && in.Leader != nil
	})
	if in.Leader.Address != "127.0.0.1:1" || in.Flows != 2 || in.Version != "1.2.3" || !slices.Equal(in.May, w.may) {
		t.Errorf("the installation is %+v, led by %+v", in, in.Leader)
	}

	w.serve(nil)
	other := get[view.Flows](w, "flows")
	if other.Leads || other.Flows[0].Memory != nil || other.Flows[0].StoredUntil != f.StoredUntil {
		t.Errorf("elsewhere the flow is %+v", other.Flows[0])
	}
	w.until("elsewhere it is said that another process leads", func() bool {
		in := get[view.Installation](w, "installation")
		return !in.Leads && in.Leader != nil
	})
}

// TestStripIsWhatWindowsAre compares the strip, window by window and in cells, with the view
// window_state, which looks at every row, while windows are dirty and to be refilled.
func TestStripIsWhatWindowsAre(t *testing.T) {
	w := newWorld(t, rateFlow)
	const flow = "requests:rate1m"
	w.caughtUp(flow, w.base+59*minute+30*second)
	// The rows of the open window may be left to the next round.
	w.until("the open window has rows", func() bool {
		return sqltest.ScanOne[bool](w.RawDB, "select exists (select from window_state where flow = $1 and window_end = $2)", flow, time.UnixMilli(w.base+60*minute))
	})
	w.stop()
	// What is due stays due, since nobody computes it.
	rnd := rand.New(rand.NewPCG(3, 5))
	id := sqltest.ScanOne[int32](w.RawDB, "select id from flow where title = $1", flow)
	for range 12 {
		w.Exec("insert into flow_dirty (flow_id, window_end, group_key, reason, since_vector, first_at, last_at) values ($1, $2, $3, 'late', '{\"1\": 1}', 5, 6) on conflict do nothing",
			id, w.base+31*minute+rnd.Int64N(50)*30*second, []string{"", `{"i":"1"}`}[rnd.IntN(2)])
	}
	if _, err := sqltest.CreateRefill(t.Context(), w.Store.Jobs, flow, w.base+40*minute, w.base+45*minute); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]int64{}
	rows, err := w.Store.Pool().Query(t.Context(), "select (extract(epoch from window_end) * 1000)::bigint, state from window_state where flow = $1", flow)
	if err != nil {
		t.Fatal(err)
	}
	states := map[int64]string{}
	for rows.Next() {
		var end int64
		var state string
		if err := rows.Scan(&end, &state); err != nil {
			t.Fatal(err)
		}
		states[end] = state
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	// The first window that was computed has no rows yet, so the view does not know it.
	states[w.base+30*minute] = "closed"
	for _, cell := range []string{"30s", "1m30s", "9m"} {
		width := map[string]int64{"30s": 30 * second, "1m30s": 90 * second, "9m": 9 * minute}[cell]
		from, to := w.base+20*minute, w.base+65*minute
		s := get[view.Strip](w, "flow/windows", "flow", flow, "from", view.FormatTime(from), "to", view.FormatTime(to), "cells", fmt.Sprint((to-from+width-1)/width))
		if s.Cell != cell || s.From != view.FormatTime(from) || s.To != view.FormatTime(to) {
			t.Fatalf("the strip has cells of %s from %s to %s", s.Cell, s.From, s.To)
		}
		clear(want)
		for after := from; after < to; after += width {
			end := min(after+width, to)
			counts := map[string]int64{}
			for e := after + 30*second; e <= end; e += 30 * second {
				counts[states[e]]++
			}
			want[view.FormatTime(end)] = counts
		}
		var seen int64
		for _, c := range s.Cells {
			counts := want[c.End]
			got := map[string]int64{"refilling": c.Refilling, "dirty": c.Dirty, "open": c.Open, "closed": c.Closed + c.Kept}
			for state, n := range got {
				if counts[state] != n {
					t.Errorf("the cell of %s up to %s has %v, want %v", cell, c.End, got, counts)
					break
				}
			}
			if c.Windows != counts["refilling"]+counts["dirty"]+counts["open"]+counts["closed"]+counts[""] {
				t.Errorf("the cell up to %s has %d windows", c.End, c.Windows)
			}
			seen += c.Dirty + c.Refilling
		}
		if len(s.Cells) != len(want) || seen < 15 {
			t.Errorf("%d cells of %d, %d windows are due: the test tests nothing", len(s.Cells), len(want), seen)
		}
	}
	delete(states, w.base+30*minute)
	table := get[view.FlowPages](w, "flow", "flow", flow).Flows[0].Table
	for end, state := range states {
		k := get[view.WindowKnown](w, "flow/window", "flow", flow, "end", view.FormatTime(end))
		stored := sqltest.ScanOne[int64](w.RawDB, "select count(*) from "+table+" where window_end = $1", time.UnixMilli(end))
		parts := sqltest.ScanOne[int](w.RawDB, "select count(*) from flow_dirty where window_end = $1", end)
		if k.State != state || k.Rows != stored || len(k.Dirty) != parts || (len(k.Jobs) == 1) != (state == "refilling") {
			t.Errorf("the window %s is %+v; it is %s, with %d rows and %d dirty parts", view.FormatTime(end), k, state, stored, parts)
		}
		for _, d := range k.Dirty {
			if d.Whole == (d.Group != nil) || d.Reason != "late" || d.Since != "{1:1}" {
				t.Errorf("a dirty part is %+v", d)
			}
		}
	}
	// Retention makes what cannot be computed again kept.
	w.Exec("update retention set earliest_t = $1", w.base+50*minute)
	s := get[view.Strip](w, "flow/windows", "flow", flow, "from", view.FormatTime(w.base+30*minute), "to", view.FormatTime(w.base+60*minute))
	if s.FirstRebuildable != view.FormatTime(w.base+51*minute) {
		t.Errorf("rebuildable from %s", s.FirstRebuildable)
	}
	for _, c := range s.Cells {
		if early := c.End < s.FirstRebuildable; early && c.Closed > 0 || !early && c.Kept > 0 {
			t.Errorf("the window %s is %+v", c.End, c)
		}
	}
	// Without a span it is the newest windows.
	if s := get[view.Strip](w, "flow/windows", "flow", flow); len(s.Cells) != 500 || s.Cells[499].Open+s.Cells[499].Closed != 1 {
		t.Errorf("by default there are %d cells, the last %+v", len(s.Cells), s.Cells[len(s.Cells)-1])
	}
}

// TestRefusals: what is wrong with a request is said, with what to do.
func TestRefusals(t *testing.T) {
	w := newWorld(t, rateFlow)
	for _, c := range []struct {
		method, path string
		params       []string
		status       int
		want         string
	}{
		{"GET", "flow", nil, 400, "parameter flow: it is missing"},
		{"GET", "flow", []string{"flow", "requests:rate1"}, 404, `"hint":"did you mean \"requests:rate1m\"?"`},
		{"GET", "flow/windows", []string{"flow", "requests:rate1m", "cells", "501"}, 400, "want a number from 1 to 500"},
		{"GET", "flow/windows", []string{"flow", "requests:rate1m", "from", "soon"}, 400, `"soon\" is not a time`},
		{"GET", "flow/windows", []string{"flow", "requests:rate1m", "from", "now", "to", "-1h"}, 400, "is not before"},
		{"GET", "flow/window", []string{"flow", "requests:rate1m", "end", "2026-03-04T10:00:01Z"}, 400, `"hint":"end=2026-03-04T10:00:00Z"`},
		{"GET", "nothing", nil, 404, "docs/api.md"},
		{"POST", "flows", nil, 404, "there is nothing at POST"},
	} {
		status, body := w.ask(c.method, c.path, "", c.params...)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %v: %d %s, want %d and %s", c.method, c.path, c.params, status, body, c.status, c.want)
		}
	}
	// The database is away: its words do not leave the process.
	w.Exec("alter table flow rename to flow_gone")
	status, body := w.ask(http.MethodGet, "flows", "")
	if status != http.StatusInternalServerError || strings.Contains(body, "relation") || !strings.Contains(body, "in the log") {
		t.Errorf("%d %s", status, body)
	}
	w.Exec("alter table flow_gone rename to flow")
}

// TestEmpty: a flow is empty until it has seen a sample, and not until it has closed a
// window; the view flow_state says the same.
func TestEmpty(t *testing.T) {
	w := newWorld(t, `flows:
  - {name: nothing:rate, every: 30s, promql: 'sum(rate(nothing_total[1m]))'}
`)
	w.until("the flow has been taken", func() bool { return sqltest.ScanOne[int64](w.RawDB, "select epoch from flow") > 0 })
	w.stop()
	is := func(when, want string) {
		t.Helper()
		if p := get[view.FlowPages](w, "flow", "flow", "nothing:rate").Flows[0]; p.State != want || p.StoredUntil != view.None {
			t.Errorf("%s: the flow is %+v, want %s", when, p, want)
		}
		if got := sqltest.ScanOne[string](w.RawDB, "select state from flow_state"); got != want {
			t.Errorf("%s: flow_state says %s, want %s", when, got, want)
		}
	}
	is("without samples", view.Empty)
	w.Exec("update flow set newest_t = $1", w.base)
	is("with a sample and no closed window", view.OK)
}
