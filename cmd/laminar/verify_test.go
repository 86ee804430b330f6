package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/server/view"
)

// verify runs the command and returns what it printed and its exit code.
func (in *installation) verify(args ...string) (state view.Verification, stderr string, code int) {
	in.t.Helper()
	args = append(append([]string{"verify", "--output", "json"}, args...), in.database()...)
	cmd := exec.Command(in.bin, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		in.t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code <= exitFault {
		if err := json.Unmarshal(out, &state); err != nil {
			in.t.Fatalf("verify %v prints %q: %v\n%s", args, out, err, errs.String())
		}
	}
	return state, errs.String(), code
}

// TestVerify simulates a fleet with late, repeated and overwritten samples; over
// its flows and those of the demo verify finds nothing. Then cells are changed, deleted and added by
// hand, and verify names exactly these.
func TestVerify(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo.yaml")
	if err := os.WriteFile(demo, demoFlows, 0o600); err != nil {
		t.Fatal(err)
	}
	in := newInstallation(t, "--flows", "../../testdata/flows/twelve.yml", "--flows", demo, "--log-level", "warn",
		"--verify-schedule", "@every 1s", "--verify-sample", "100%")
	in.serve()
	in.must("simulate", "--url", "http://"+in.addr+"/api/v1/write", "--history", "15m", "--instances", "4")
	in.must("seal", "--force")
	in.must("flow", "wait", "--timeout", "90s")

	state, stderr, code := in.verify()
	if code != exitOK || len(state.Flows) != 16 {
		t.Fatalf("exit code %d, %+v\n%s", code, state, stderr)
	}
	for _, f := range state.Flows {
		if f.Windows == 0 || f.Rows == 0 || f.Differences != 0 {
			t.Errorf("untouched: %+v", f)
		}
	}
	if !strings.Contains(stderr, "(100%)") {
		t.Errorf("no progress in\n%s", stderr)
	}
	waitForMetric(t, in, "laminar_verify_last_run_timestamp_seconds")

	// Three kinds of damage, in closed windows of a flow by labels.
	name, table, label := "", "", ""
	for _, f := range parseFlows(t, "../../testdata/flows/twelve.yml") {
		if len(f.Expr.ResultLabels) == 1 && f.Expr.LabelsKnown {
			name, table, label = f.Name, "flow."+f.Table, f.Expr.ResultLabels[0]
		}
	}
	query := func(sql string) string {
		return strings.TrimSpace(in.psql("-qtAc", strings.NewReplacer("TABLE", table, "LABEL", label).Replace(sql)))
	}
	ends := strings.Fields(query(`select to_char(window_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from TABLE
		group by window_end order by window_end desc offset 2 limit 3`))
	if len(ends) != 3 {
		t.Fatalf("%s has the closed windows %v", table, ends)
	}
	changed := query("update TABLE set value = value * 1.001 + 0.001 where window_end = '" + ends[0] + "' and LABEL = (select min(LABEL) from TABLE where window_end = '" + ends[0] + "') returning LABEL")
	gone := query("delete from TABLE where window_end = '" + ends[1] + "' and LABEL = (select min(LABEL) from TABLE where window_end = '" + ends[1] + "') returning LABEL")
	query("insert into TABLE (window_start, window_end, LABEL, value) select min(window_start), window_end, 'by hand', 'NaN' from TABLE where window_end = '" + ends[2] + "' group by window_end")

	state, stderr, code = in.verify(name)
	if code != exitFault || len(state.Flows) != 1 {
		t.Fatalf("exit code %d, %+v\n%s", code, state, stderr)
	}
	var got []string
	for _, c := range state.Flows[0].Cells {
		got = append(got, c.Kind+" "+c.WindowEnd+" "+c.Labels[label])
		if (c.Stored != "") != (c.Kind != "missing") || (c.Computed != "") != (c.Kind != "extra") || c.Stored == c.Computed {
			t.Errorf("values of %+v", c)
		}
	}
	want := []string{"extra " + ends[2] + " by hand", "missing " + ends[1] + " " + gone, "differs " + ends[0] + " " + changed}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	text, _ := in.run("verify", name)
	for _, part := range []string{"DIFFERENCES", "by hand", "missing", "NaN"} {
		if !strings.Contains(text, part) {
			t.Errorf("for people it lacks %q:\n%s", part, text)
		}
	}
	if state, stderr, code := in.verify(name, "--from", ends[2], "--to", ends[1]); code != exitFault || state.Flows[0].Differences != 1 || state.Flows[0].Windows > 2 {
		t.Errorf("from %s to %s: exit code %d, %+v\n%s", ends[2], ends[1], code, state, stderr)
	}
	waitForMetric(t, in, `laminar_verify_differences_total{flow="`+name+`"}`)
	waitForMetric(t, in, "laminar_verify_windows_total")
	requireDriftLogged(t, in, name)

	// A refill puts it right.
	in.must("refill", name, "--from", "-1h", "--to", "now")
	if state, stderr, code := in.verify(name); code != exitOK {
		t.Errorf("after a refill: exit code %d, %+v\n%s", code, state, stderr)
	}
}

// requireDriftLogged waits until the log of serve names the flow.
func requireDriftLogged(t *testing.T, in *installation, name string) {
	t.Helper()
	in.stop()
	if log := in.log.String(); !strings.Contains(log, "result table differs") || !strings.Contains(log, name) {
		t.Errorf("the log does not name the flow:\n%s", tail([]byte(log), 2000))
	}
	in.serve()
}

// waitForMetric waits until a metric is there and above zero.
func waitForMetric(t *testing.T, in *installation, name string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get("http://" + in.addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok && value != "0" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", name)
		}
		time.Sleep(100 * time.Millisecond) // between two questions
	}
}

func TestParsePart(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "100%": 1, "0.5": 0.5, "1": 1, " 10% ": 0.1} {
		if got, err := parsePart(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0%", "-1%", "101%", "1.1", "NaN", "half"} {
		if got, err := parsePart(text); err == nil || exitCode(err) != exitUsage {
			t.Errorf("%q: got %v, %v, want a usage error", text, got, err)
		}
	}
}

func TestVerifyOptionsAreChecked(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, c := range []struct{ from, to, sample, seed string }{
		{"yesterday", "", "1", ""}, {"", "soon", "1", ""}, {"-1h", "-2h", "1", ""}, {"", "", "200%", ""}, {"", "", "1", "-1"},
	} {
		if _, err := verifyOptions(c.from, c.to, c.sample, c.seed, now); exitCode(err) != exitUsage {
			t.Errorf("%+v: got %v, want a usage error", c, err)
		}
	}
	opts, err := verifyOptions("-1h", "now", "1%", "7", now)
	if err != nil || opts.From != now.UnixMilli()-3_600_000 || opts.To != now.UnixMilli() || opts.Sample != 0.01 || opts.Seed != 7 {
		t.Errorf("got %+v, %v", opts, err)
	}
}
