package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

// evil is what a sender or a file may hold, and a terminal must not get.
const evil = "x\x1b]0;PWNED\x07\x1b[31mred\x1b[2J\nFAKE LINE ok\r\u009b31m\u202eabc\u2066\u2028\x7f"

// evilYAML is evil between double quotes of YAML.
const evilYAML = `x\x1b]0;PWNED\x07\x1b[31mred\x1b[2J\nFAKE LINE ok\r\x9b31m\u202eabc\u2066\u2028\x7f`

// TestHostileNames walks through all commands on a database whose flows, labels,
// help texts and files hold instructions for terminals. None comes through, in
// tables, bars and errors; JSON is JSON.
func TestHostileNames(t *testing.T) {
	db := sqltest.New(t)
	addr := laminartest.FreeAddr(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "evil\x1b[31m.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, fmt.Sprintf("groups:\n- name: \"%[1]s\"\n  rules:\n  - record: \"%[1]s\"\n    expr: sum by (a) (sum_over_time(evil_metric[1m]))\n    labels: {l: \"%[1]s\"}\n", evilYAML))
	broken := filepath.Join(dir, "broken\x1b[31m.yaml")
	write(broken, fmt.Sprintf("flows:\n- name: \"%s\"\n  promql: sum(\n  \"%s\": 1\n", evilYAML, evilYAML))
	settingsFile := filepath.Join(dir, "settings.yaml")
	write(settingsFile, fmt.Sprintf("\"%s\": 1\nlog: {level: \"%s\"}\n", evilYAML, evilYAML))

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if code, _, stderr := invoke(ctx, "", "serve", "--database-url", db.URL, "--listen", addr, "--log-level", "warn"); code != exitOK {
			t.Errorf("serve ended with %d: %s", code, stderr)
		}
	}()
	defer func() { stop(); <-ended }()
	laminartest.Until(t, 4*time.Minute, "serve is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})

	seen := map[string]bool{}
	run := func(want int, args ...string) string {
		t.Helper()
		cmd, _, err := (&app{}).root().Find(args)
		if err != nil {
			t.Fatal(err)
		}
		seen[cmd.CommandPath()] = true
		code, stdout, stderr := invoke(t.Context(), "", append(args, "--database-url", db.URL)...)
		if code != want {
			t.Errorf("laminar %q: exit code %d, want %d:\n%s%s", args, code, want, stdout, stderr)
		}
		what := fmt.Sprintf("laminar %q", args)
		harmlessText(t, what, stderr)
		if args[len(args)-1] == "json" {
			if !allJSON(stdout) || strings.ContainsRune(stdout, '\x1b') {
				t.Errorf("%s: not JSON:\n%s", what, stdout)
			}
			return stdout
		}
		harmlessText(t, what, stdout)
		if strings.Contains(stdout+stderr, "\nFAKE LINE") {
			t.Errorf("%s: a line of the sender's own:\n%s%s", what, stdout, stderr)
		}
		return stdout
	}

	// A unit test of rules that fails shows its name, labels and expression.
	unit, selector := filepath.Join(dir, "unit.yml"), "m{l="+strconv.Quote(evil)+"}"
	text, err := yaml.Marshal(map[string]any{"evaluation_interval": "1m", "tests": []any{map[string]any{
		"name": evil, "interval": "1m", "input_series": []any{map[string]any{"series": selector, "values": "1 2 3"}},
		"promql_expr_test": []any{map[string]any{"expr": selector, "eval_time": "1m", "exp_samples": []any{map[string]any{"labels": selector, "value": 7}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, text, 0o600); err != nil {
		t.Fatal(err)
	}

	foreign := filepath.Join(dir, "foreign\x1b[31m.yaml")
	write(foreign, fmt.Sprintf("- name: \"%[1]s\"\n  match: evil_metric\n  interval: 1m\n  by: [\"%[1]s\"]\n  outputs: [min, \"%[1]s\"]\n", evilYAML))
	brokenForeign := filepath.Join(dir, "unknown\x1b[31m.yaml")
	write(brokenForeign, fmt.Sprintf("- match: m\n  \"%s\": 1\n", evilYAML))

	run(exitFault, "flow", "validate", "-f", broken)
	run(exitFault, "flow", "import", brokenForeign)
	run(exitFault, "flow", "import", foreign)
	run(exitFault, "flow", "import", foreign, "--report")
	run(exitFault, "flow", "import", foreign, "--output", "json")
	run(exitUsage, "flow", "import", foreign, "--quantiles", "7")
	run(exitUsage, "status", "--config", settingsFile)
	run(exitFault, "flow", "apply", "-f", filepath.Join(dir, "none\x1b[31m.yaml"))
	run(exitUsage, "flow", evil)
	run(exitUsage, evil)
	for _, output := range []string{"table", "json"} {
		run(exitOK, "flow", "validate", "-f", file, "--output", output)
		run(exitOK, "flow", "explain", "-f", file, "--output", output)
		run(exitOK, "flow", "apply", "-f", file, "--output", output)
		run(exitFault, "flow", "test", unit, "--output", output)
	}

	send(t, addr)
	run(exitOK, "flow", "wait", evil, "--timeout", "4m")
	run(exitFault, "flow", "wait", evil+"2")
	if text := run(exitOK, "flow", "show", evil); !strings.Contains(text, `x\x1b]0;PWNED\a`) {
		t.Errorf("flow show does not spell the name:\n%s", text)
	}
	// What is stored is not what is computed, so that verify has something to say.
	if _, err := db.Pool(t).Exec(t.Context(), "update flow."+tableOf(t, run(exitOK, "flow", "list", "--output", "json"))+" set value = value + 1"); err != nil {
		t.Fatal(err)
	}
	alerting := filepath.Join(dir, "alerting.yaml")
	write(alerting, fmt.Sprintf("groups:\n- name: g\n  rules:\n  - {alert: Evil, expr: absent(nothing), for: 1h, labels: {l: \"%[1]s\"}, annotations: {summary: \"%[1]s\"}}\n", evilYAML))
	if text := run(exitOK, "flow", "apply", "-f", alerting); !strings.Contains(text, "laminar refill NAME") {
		t.Errorf("flow apply does not say why a new flow is empty:\n%s", text)
	}
	if text := run(exitOK, "flow", "apply", "-f", alerting); strings.Contains(text, "laminar refill NAME") {
		t.Errorf("flow apply speaks of new flows where there are none:\n%s", text)
	}
	for _, alert := range []string{
		`insert into laminar.alert (flow_id, fingerprint, labels, annotations, phase, value, active_at, fired_at)
		 select id, 1, jsonb_build_object('alertname', $1::text, $1::text, $1::text), jsonb_build_object('summary', $1::text), 'firing', 'NaN', 0, 0 from laminar.flow`,
		`insert into laminar.alert_history (flow_id, fingerprint, labels, annotations, window_end, phase, reason, value, active_at, fired_at, corrected)
		 select id, 1, jsonb_build_object('alertname', $1::text, $1::text, $1::text), '{}', 0, 'firing', 'held', 'Infinity', 0, 0, true from laminar.flow`,
	} {
		if _, err := db.Pool(t).Exec(t.Context(), alert, evil); err != nil {
			t.Fatal(err)
		}
	}
	for _, output := range []string{"table", "json"} {
		run(exitOK, "alert", "list", "--output", output)
		run(exitOK, "alert", "history", "--output", output)
		run(exitOK, "flow", "list", "--output", output)
		run(exitOK, "flow", "show", evil, "--output", output)
		run(exitOK, "flow", "show", "alert:g:Evil", "--output", output)
		run(exitOK, "flow", "explain", evil, "--output", output)
		run(exitOK, "flow", "state", evil, "--url", "http://"+addr, "--window", "2026-11-26 10:00", "--group", "l="+evil, "--output", output)
		run(exitOK, "status", "--output", output)
		run(exitFault, "verify", evil, "--output", output)
		run(exitOK, "job", "list", "--output", output)
		run(exitOK, "seal", "--force", "--output", output)
		for _, by := range []string{"metric", "label", "sender"} {
			run(exitOK, "series", "top", "--by", by, "--output", output)
		}
		run(exitOK, "series", "top", "--label", evil, "--output", output)
		run(exitOK, "series", "top", "--label", "job", "--output", output)
	}
	for _, output := range []string{"table", "json"} {
		run(exitOK, "refill", evil, "--from", "-30m", "--output", output)
		// No refill is under way, whose windows would be left out.
		run(exitFault, "flow", "compare", evil, "--prometheus", "http://"+addr, "--query", "evil_metric * 2", "--output", output)
		run(exitOK, "refill", evil, "--from", "-30m", "--no-wait", "--output", output)
		run(exitOK, "job", "cancel", "1", "--output", output)
		run(exitOK, "flow", "wait", evil, "--output", output)
		run(exitOK, "flow", "watch", evil, "--url", "http://"+addr, "--from", "all", "--until", "-5m", "--timeout", "4m", "--output", output)
		run(exitFault, "flow", "watch", evil, "--url", "http://"+addr, "--match", evil, "--output", output)
		run(exitOK, "refill", evil, "--from", "-30m", "--plan", "--output", output)
		run(exitOK, "version", "--output", output)
		run(exitFault, "simulate", "--url", "http://127.0.0.1:1", "--duration", "1ms", "--output", output)
	}
	run(exitFault, "refill", evil+"2", "--from", "-30m")
	run(exitOK, "job", "show", "1")
	run(exitUsage, "job", "cancel", evil)
	run(exitUsage, "flow", "state", evil, "--url", evil)
	run(exitUsage, "alert", "list", "--state", evil)
	run(exitUsage, "series", "top", "--by", evil)
	run(exitFault, "grant", "--reader", evil)
	run(exitOK, "token", "new", "--scope", "write", "--name", evil)
	run(exitUsage, "token", "new", "--scope", evil)
	run(exitOK, "retention", "show")
	run(exitOK, "retention", "show", "--output", "json")
	run(exitFault, "retention", "confirm")
	run(exitFault, "retention", "restore")
	run(exitFault, "flow", "delete", evil+"2")
	run(exitOK, "flow", "delete", evil, "--output", "json")
	run(exitUsage, "simulate", "--url", evil, "--duration", "1s")

	elsewhere := map[string]string{
		"laminar serve": "runs above", "laminar demo": "TestDemo", "laminar psql": "prints what psql does",
		"laminar help": "holds nothing but help", "laminar man": "writes files",
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			walk(below)
		}
		if path := cmd.CommandPath(); !cmd.HasSubCommands() && !seen[path] && elsewhere[path] == "" && !strings.HasPrefix(path, "laminar completion ") {
			t.Errorf("%s is not walked through: give it hostile names, too", cmd.CommandPath())
		}
	}
	walk((&app{}).root())
}

// allJSON reports whether a text is values of JSON, one behind the other, and nothing else.
func allJSON(text string) bool {
	values := json.NewDecoder(strings.NewReader(text))
	for {
		switch err := values.Decode(new(json.RawMessage)); err {
		case nil:
		case io.EOF:
			return true
		default:
			return false
		}
	}
}

// send sends a counter with a hostile label and a hostile help text.
func send(t *testing.T, addr string) {
	t.Helper()
	series := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "evil_metric"}, {Name: "a", Value: evil}}}
	now := time.Now().Truncate(time.Minute)
	for i := range int64(20) {
		series.Samples = append(series.Samples, prompb.Sample{Timestamp: now.UnixMilli() - (20-i)*60_000, Value: float64(i)})
	}
	postWrite(t, addr, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{series},
		Metadata:   []prompb.MetricMetadata{{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "evil_metric", Help: evil, Unit: evil}},
	})
}

// postWrite sends a request of remote write 1.0, which must be taken whole.
func postWrite(t *testing.T, addr string, request *prompb.WriteRequest) {
	t.Helper()
	raw, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+addr+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("answered %s", resp.Status)
	}
}

// tableOf is the name of the only flow's table, without its schema.
func tableOf(t *testing.T, list string) string {
	t.Helper()
	var flows []view.Flow
	if err := json.Unmarshal([]byte(list), &flows); err != nil || len(flows) != 1 {
		t.Fatalf("flows are %s (%v)", list, err)
	}
	_, name, _ := strings.Cut(flows[0].Table, ".")
	return name
}
