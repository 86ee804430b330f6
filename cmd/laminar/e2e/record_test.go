package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/partial/partialtest"
	"laminar/server/view"
)

const oneRecord = `groups:
- name: verbs
  rules:
  - {record: "code_verb:requests:increase1h", expr: 'sum by (code, verb) (increase(requests_total{verb="LIST"}[1h]))'}
  - {record: "code_verb:requests:increase1h", expr: 'sum by (code, verb) (increase(requests_total{verb="GET"}[1h]))'}
  - {record: "code_verb:requests:increase1h", expr: 'sum by (code, verb) (increase(requests_total{verb="POST"}[1h]))'}
  - {record: "code_verb:requests:increase1h", expr: 'sum by (code, verb) (increase(requests_total{verb="PATCH"}[1h]))'}
- name: owners
  rules:
  - record: ns:pod_owner:relabel
    expr: max by (pod) (last_over_time(kube_pod_owner{owner_kind="DaemonSet"}[1m]))
    labels: {workload_type: daemonset}
  - record: ns:pod_owner:relabel
    expr: label_replace(max by (pod, owner_kind) (last_over_time(kube_pod_owner{owner_kind!="DaemonSet"}[1m])), "workload_type", "other", "", "")
- name: clash
  rules:
  - {record: "c:x", expr: 'sum by (a) (last_over_time(c1[1m]))'}
  - {record: "c:x", expr: 'sum by (a) (last_over_time(c2[1m]))'}
`

// TestOneRecord: several rules of one record are one table, with the values that
// Prometheus gives; rows that two of them give are told, and nothing else is touched.
func TestOneRecord(t *testing.T) {
	t.Parallel()
	defs := filepath.Join(t.TempDir(), "rules.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(defs, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(oneRecord)
	in := laminartest.New(t, "--flows", defs)
	in.Serve()

	begin := time.Now().Add(-3 * time.Hour).Truncate(time.Minute)
	const minutes = 120
	at := func(minute int) time.Time { return begin.Add(time.Duration(minute) * time.Minute) }
	var series [][]fleet.Label
	var points []fleet.Point
	// Labels are pairs of name and value.
	add := func(value func(minute int) float64, labels ...string) {
		set := []fleet.Label{}
		for i := 0; i < len(labels); i += 2 {
			set = append(set, fleet.Label{Name: labels[i], Value: labels[i+1]})
		}
		slices.SortFunc(set, func(a, b fleet.Label) int { return strings.Compare(a.Name, b.Name) })
		for m := range minutes {
			points = append(points, fleet.Point{Series: len(series), T: at(m).UnixMilli(), V: value(m)})
		}
		series = append(series, set)
	}
	send := func() {
		t.Helper()
		body, err := fleet.Encode(series, points)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("a write is answered %s", resp.Status)
		}
		series, points = nil, nil
		in.Must("flow", "wait", "--timeout", "4m")
	}
	want := map[string]float64{} // of the table of verbs, in one window
	for i, verb := range []string{"LIST", "GET", "POST", "PATCH"} {
		for j, code := range []string{"200", "500"} {
			rate := float64(1 + 2*i + j)
			for k := range 2 {
				add(func(m int) float64 { return rate * float64(m*(k+1)) }, "__name__", "requests_total", "verb", verb, "code", code, "instance", fmt.Sprint(k))
			}
			want[fmt.Sprintf("%d %s %s", i+1, code, verb)] = 60 * 3 * rate
		}
	}
	one := func(int) float64 { return 1 }
	add(one, "__name__", "kube_pod_owner", "pod", "p1", "owner_kind", "DaemonSet")
	add(one, "__name__", "kube_pod_owner", "pod", "p2", "owner_kind", "Job")
	minute := func(m int) float64 { return float64(m) }
	add(minute, "__name__", "c1", "a", "x")
	add(minute, "__name__", "c1", "a", "y")
	add(func(m int) float64 {
		if m == 40 {
			return 1000
		}
		return float64(m)
	}, "__name__", "c2", "a", "x")
	add(minute, "__name__", "c2", "a", "z")
	send()

	pool := in.Pool()
	rows := func(sql string, args ...any) map[string]float64 {
		t.Helper()
		found, err := pool.Query(t.Context(), sql, append([]any{pgx.QueryExecModeExec}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		var key string
		var value float64
		if _, err := pgx.ForEachRow(found, []any{&key, &value}, func() error { out[key] = value; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	same := func(what string, got, want map[string]float64) {
		t.Helper()
		ok := len(got) == len(want)
		for key, v := range want {
			g, has := got[key]
			ok = ok && has && partialtest.Close(g, v, 1e-9*math.Abs(v))
		}
		if !ok {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	same("four rules with verbs", rows(`select concat_ws(' ', rule_number, code, verb), value from flow.code_verb_requests_increase1h where window_end = $1`, at(90)), want)
	same("static labels of one rule", rows(`select concat_ws(' ', rule_number, pod, owner_kind, workload_type), value from flow.ns_pod_owner_relabel where window_end = $1`, at(90)),
		map[string]float64{"1 p1  daemonset": 1, "2 p2 Job other": 1})

	// What two rules give.
	const clashing = `select concat_ws(' ', rule_number, a), value from flow.c_x where window_end = $1`
	for m := range minutes - 1 {
		v := float64(m)
		same(fmt.Sprint("minute ", m), rows(clashing, at(m)), map[string]float64{"1 x": v, "1 y": v, "2 z": v})
	}
	flow := func(title string) view.Flow {
		t.Helper()
		var flows []view.Flow
		decode(t, in.Must("flow", "show", title, "--output", "json"), &flows)
		if len(flows) != 1 {
			t.Fatalf("%d flows are %s", len(flows), title)
		}
		return flows[0]
	}
	if f := flow("c:x#2"); f.Clashes != 1 || !strings.Contains(f.ClashRow, at(40).UTC().Format(time.RFC3339)) || !strings.Contains(f.ClashRow, "c:x#1") || f.State != view.OK {
		t.Errorf("the clash is told as %d rows, %q, state %s", f.Clashes, f.ClashRow, f.State)
	}
	if f := flow("c:x#1"); f.Clashes != 0 {
		t.Errorf("the rule whose row stands has %d that do not", f.Clashes)
	}
	if text := in.Must("flow", "list"); !strings.Contains(text, "another rule of the record") {
		t.Errorf("flow list does not tell the clash:\n%s", text)
	}
	var all []view.Flow
	decode(t, in.Must("flow", "show", "c:x", "--output", "json"), &all)
	if len(all) != 2 {
		t.Errorf("the record's name means %d flows, want 2", len(all))
	}

	// A late correction ends it.
	series = [][]fleet.Label{{{Name: "__name__", Value: "c2"}, {Name: "a", Value: "x"}}}
	points = []fleet.Point{{T: at(40).UnixMilli(), V: 40}}
	send()
	if f := flow("c:x#2"); f.Clashes != 0 {
		t.Errorf("after the correction %d rows clash: %s", f.Clashes, f.ClashRow)
	}
	from, to := at(0).Format(time.RFC3339), at(100).Format(time.RFC3339)
	if text := in.Must("refill", "c:x", "--from", from, "--to", to); strings.Count(text, "windows computed") != 2 {
		t.Errorf("a refill of the record says\n%s", text)
	}
	if text := in.Must("refill", "c:x#2", "--from", from, "--to", to); strings.Count(text, "windows computed") != 1 {
		t.Errorf("a refill of one rule says\n%s", text)
	}
	in.Must("verify", "c:x", "--from", from)
	in.Must("verify", "c:x#2", "--from", from)

	// A rule that brings a column, while others read.
	reading, stop := context.WithCancel(t.Context())
	read := make(chan error, 1)
	go func() {
		for reading.Err() == nil {
			var n int
			if err := pool.QueryRow(context.WithoutCancel(reading), "select count(*) from flow.c_x", pgx.QueryExecModeExec).Scan(&n); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	write(oneRecord + `  - {record: "c:x", expr: 'sum by (a, b) (last_over_time(c3[1m]))'}` + "\n")
	in.Must("flow", "apply", "-f", defs)
	stop()
	if err := <-read; err != nil {
		t.Errorf("a reader was disturbed: %v", err)
	}
	add(minute, "__name__", "c3", "a", "x", "b", "1")
	add(func(m int) float64 { return 2 * float64(m) }, "__name__", "c3", "a", "y")
	send()
	in.Must("refill", "c:x#3", "--from", from, "--to", to)
	const wide = `select concat_ws(' ', rule_number, a, nullif(b, '')), value from flow.c_x where window_end = $1`
	same("with a third rule", rows(wide, at(50)), map[string]float64{"1 x": 50, "1 y": 50, "2 z": 50, "3 x 1": 50})
	if f := flow("c:x#3"); f.Clashes == 0 || !strings.Contains(f.ClashRow, "c:x#1") {
		t.Errorf("the third rule has %d clashes: %s", f.Clashes, f.ClashRow)
	}

	// A rule that goes takes its rows along; the next in line take their places.
	write(strings.Replace(oneRecord, `  - {record: "c:x", expr: 'sum by (a) (last_over_time(c1[1m]))'}`+"\n", "", 1) + `  - {record: "c:x", expr: 'sum by (a, b) (last_over_time(c3[1m]))'}` + "\n")
	in.WantFailure(t, 1, "c:x#1 (its file has it no more)", "flow", "apply", "-f", defs)
	in.Must("flow", "apply", "-f", defs, "--replace")
	same("without the first rule", rows(wide, at(50)), map[string]float64{"2 x": 50, "3 y": 100, "2 z": 50, "3 x 1": 50})
	in.Must("verify", "c:x", "--from", from)
	in.Must("flow", "delete", "c:x")
	if n := rows("select 'n', (to_regclass('flow.c_x') is not null)::int"); n["n"] != 0 {
		t.Error("the table outlives the last rule")
	}
}
