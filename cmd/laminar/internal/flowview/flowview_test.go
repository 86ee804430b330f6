package flowview

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowfile"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// TestShowHasEveryKey: whatever key a definition sets, `flow show` says so, to people and to
// programs, and so it does when rows are folded or late.
func TestShowHasEveryKey(t *testing.T) {
	const usual = "  promql: sum by (job) (rate(x[5m]))\n"
	cases := map[string]struct{ keys, text, value string }{ // value is what programs read, "" where another field has it
		"every":            {usual + "  every: 7m", "every 7m", ""},
		"table":            {usual + "  table: other_table", "table other_table", ""},
		"trigger":          {usual + "  trigger: {samples: 100, per: group}", "trigger {samples: 100, per: group}", "{samples: 100, per: group}"},
		"watermark":        {usual + "  watermark: {by: [cluster, zone], idle: 2m}", "every cluster, zone has passed them, those aside of which nothing was committed for 2m", "{by: [cluster, zone], idle: 2m}"},
		"watermark_delay":  {usual + "  watermark_delay: 42s", "watermark_delay 42s", "42s"},
		"emit":             {usual + "  emit: close", "emit close", "close"},
		"late":             {usual + "  late: drop", "late drop; 3 samples came too late, missing now from 1 window", "drop"},
		"allowed_lateness": {usual + "  allowed_lateness: 3h", "late recompute until 3h after a window's end; 3 samples", "3h"},
		"keep_late":        {usual + "  late: drop\n  keep_late: 9d", "late samples are kept for 9d", "9d"},
		"backfill":         {usual + "  backfill: 6h", "backfill 6h", "6h"},
		"keep":             {usual + "  keep: 30d", "keep 30d", "30d"},
		"max_groups":       {usual + "  max_groups: 12", "max_groups a row for each of 12 groups, all others are folded into __other__", "12"},
		"lookback":         {"  promql: sum by (job) (x)\n  every: 1m\n  lookback: 3m", "lookback 3m", "3m"},
		"executor":         {usual + "  executor: columnar", "executor columnar", "columnar"},
		"limit":            {usual + "  limit: 77", "limit 77", "77"},
		"session":          {"  promql: sum by (user) (x)\n  session: {gap: 10m, when: '> 0', value: last}", `session {gap: 10m, max: 1d, when: "> 0", value: last}`, `{gap: 10m, max: 1d, when: "> 0", value: last}`},
		"relabel":          {usual + "  relabel: [{regex: pod, action: labeldrop}]", `relabel 1: {action: labeldrop, regex: "pod"}`, `[{action: labeldrop, regex: "pod"}]`},
		"accuracy":         {"  promql: sum(histogram_over_time(x[5m]))\n  accuracy: 0.05", "histogram_over_time(x[5m], 0.05)", ""},
		"approximate":      {"  promql: max by (job) (quantile_over_time(0.5, x[5m]))\n  approximate: 0.02", "approximate 0.02", "0.02"},
	}
	for _, key := range flowfile.Keys() {
		c, ok := cases[key]
		if !ok {
			t.Errorf("%s: no case here", key)
			continue
		}
		flows, problems := flowfile.Parse("f.yml", []byte("flows:\n- name: a\n"+c.keys+"\n"))
		if len(problems) > 0 {
			t.Errorf("%s: %v", key, problems)
			continue
		}
		status := []flowstore.FlowStatus{{Def: flows[0], Table: flows[0].Table, Folds: true, LateSamples: 3, LateWindows: 1}}
		var out bytes.Buffer
		if err := term.WriteTable(&out, Show(status, nil, nil)); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, c.text) {
			t.Errorf("%s: want %q in\n%s", key, c.text, out.String())
		}
		if got := view.NewFlow(status[0]).Keys[key]; got != c.value {
			t.Errorf("%s: programs read %q, want %q", key, got, c.value)
		}
	}
}

// TestNoFlows: a list of nothing says so, and is an empty list to programs.
func TestNoFlows(t *testing.T) {
	var people, programs bytes.Buffer
	if err := errors.Join(term.WriteTable(&people, List(nil)), term.WriteJSON(&programs, List(nil).Data)); err != nil {
		t.Fatal(err)
	}
	if people.String() != "no flows\n" || programs.String() != "[]\n" {
		t.Errorf("people read %q, programs %q", people.String(), programs.String())
	}
}
