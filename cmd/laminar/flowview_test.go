package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

// TestFlowShowOfAlert: flow show of an alerting rule has what the rule makes of its rows,
// and the alerts that are its own.
func TestFlowShowOfAlert(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	direct := db.Store.Pool().Config().ConnString()
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t.Context(), "", append(args, "--database-url", direct)...)
		if code != exitOK {
			t.Fatalf("laminar %v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(`
groups:
- name: g
  limit: 7
  rules:
  - {record: r, expr: sum(up)}
  - {alert: Quiet, expr: absent(up)}
  - {alert: Down, expr: up == 0, for: 5m, keep_firing_for: 90s, labels: {severity: page}, annotations: {summary: "{{ $labels.job }}\nis down"}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	run("flow", "apply", "-f", file)
	if text := run("flow", "show", "alert:g:Down"); !strings.Contains(text, "none is pending or fires") {
		t.Errorf("without alerts:\n%s", text)
	}
	for i, a := range []struct {
		flow, phase string
		value       float64
		fired       int64
	}{{"alert:g:Down", "firing", math.Inf(1), 60_000}, {"alert:g:Down", "pending", 2, -1}, {"alert:g:Quiet", "firing", 3, 60_000}} {
		db.Exec(`insert into laminar.alert (flow_id, fingerprint, labels, annotations, phase, value, active_at, fired_at)
			select id, $5, jsonb_build_object('alertname', 'A', 'job', $2::text), '{}', $2, $1::float8, 0, nullif($3::bigint, -1) from laminar.flow where name = $4`,
			a.value, a.phase, a.fired, a.flow, i)
	}
	text := strings.Join(strings.Fields(run("flow", "show", "alert:g:Down")), " ")
	for _, want := range []string{
		"for 5m", "keep firing for 1m30s", "limit 7", "label severity: page", `annotation summary: {{ $labels.job }}\nis down`,
		`alert firing since 1970-01-01T00:01:00Z, value +Inf: {job="firing"} alert pending since 1970-01-01T00:00:00Z, value 2: {job="pending"} group`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	var flows []view.Flow
	if err := json.Unmarshal([]byte(run("flow", "show", "alert:g:Down", "--output", "json")), &flows); err != nil || len(flows) != 1 || flows[0].Alert == nil {
		t.Fatalf("%+v, %v", flows, err)
	}
	rule := flows[0].Alert
	got := fmt.Sprint(rule.Name, " ", rule.For, " ", rule.KeepFiringFor, " ", rule.Limit, " ", rule.Labels, " ", rule.Annotations, " ", len(rule.Alerts), " ", rule.Alerts[0].State)
	if want := "Down 5m 1m30s 7 map[severity:page] map[summary:{{ $labels.job }}\nis down] 2 firing"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if text := run("flow", "show", "r"); strings.Contains(text, "firing") {
		t.Errorf("a recording rule has what alerts have:\n%s", text)
	}
}
