package e2e

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

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
)

// verify runs the command and returns what it printed and its exit code.
func verify(t *testing.T, in *laminartest.Installation, args ...string) (state view.Verification, stderr string, code int) {
	t.Helper()
	cmd := in.Command(append([]string{"verify", "--output", "json"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code <= laminartest.ExitFault {
		if err := json.Unmarshal(out, &state); err != nil {
			t.Fatalf("verify %v prints %q: %v\n%s", args, out, err, errs.String())
		}
	}
	return state, errs.String(), code
}

// TestVerify simulates a fleet with late, repeated and overwritten samples; over
// its flows and those of the demo verify finds nothing. Then cells are changed, deleted and added by
// hand, and verify names exactly these.
func TestVerify(t *testing.T) {
	t.Parallel()
	demo := filepath.Join(t.TempDir(), "demo.yaml")
	if err := os.WriteFile(demo, demoFlows(t), 0o600); err != nil {
		t.Fatal(err)
	}
	in := laminartest.New(t, "--flows", "../../../testdata/flows/twelve.yml", "--flows", demo, "--log-level", "warn",
		"--verify-schedule", "@every 1s", "--verify-sample", "100%")
	in.Serve()
	in.Must("simulate", "--url", in.WriteURL(), "--history", "15m", "--instances", "4")
	in.Must("seal", "--force")
	in.Must("flow", "wait", "--timeout", "4m")

	state, stderr, code := verify(t, in)
	if code != laminartest.ExitOK || len(state.Flows) != 16 {
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
	for _, f := range laminartest.ParseFlows(t, "../../../testdata/flows/twelve.yml") {
		if len(f.Expr.ResultLabels) == 1 && f.Expr.LabelsKnown {
			name, table, label = f.Name, "flow."+f.Table, f.Expr.ResultLabels[0]
		}
	}
	query := func(sql string) string {
		return strings.TrimSpace(in.PSQL("-qtAc", strings.NewReplacer("TABLE", table, "LABEL", label).Replace(sql)))
	}
	ends := strings.Fields(query(`select to_char(window_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from TABLE
		group by window_end order by window_end desc offset 2 limit 3`))
	if len(ends) != 3 {
		t.Fatalf("%s has the closed windows %v", table, ends)
	}
	changed := query("update TABLE set value = value * 1.001 + 0.001 where window_end = '" + ends[0] + "' and LABEL = (select min(LABEL) from TABLE where window_end = '" + ends[0] + "') returning LABEL")
	gone := query("delete from TABLE where window_end = '" + ends[1] + "' and LABEL = (select min(LABEL) from TABLE where window_end = '" + ends[1] + "') returning LABEL")
	query("insert into TABLE (window_start, window_end, LABEL, value) select min(window_start), window_end, 'by hand', 'NaN' from TABLE where window_end = '" + ends[2] + "' group by window_end")

	state, stderr, code = verify(t, in, name)
	if code != laminartest.ExitFault || len(state.Flows) != 1 {
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
	text, _ := in.Run("verify", name)
	for _, part := range []string{"DIFFERENCES", "by hand", "missing", "NaN"} {
		if !strings.Contains(text, part) {
			t.Errorf("for people it lacks %q:\n%s", part, text)
		}
	}
	if state, stderr, code := verify(t, in, name, "--from", ends[2], "--to", ends[1]); code != laminartest.ExitFault || state.Flows[0].Differences != 1 || state.Flows[0].Windows > 2 {
		t.Errorf("from %s to %s: exit code %d, %+v\n%s", ends[2], ends[1], code, state, stderr)
	}
	waitForMetric(t, in, `laminar_verify_differences_total{flow="`+name+`"}`)
	waitForMetric(t, in, "laminar_verify_windows_total")
	requireDriftLogged(t, in, name)

	// A refill puts it right.
	in.Must("refill", name, "--from", "-1h", "--to", "now")
	if state, stderr, code := verify(t, in, name); code != laminartest.ExitOK {
		t.Errorf("after a refill: exit code %d, %+v\n%s", code, state, stderr)
	}
}

// requireDriftLogged waits until the log of serve names the flow.
func requireDriftLogged(t *testing.T, in *laminartest.Installation, name string) {
	t.Helper()
	in.Stop()
	if log := in.Log.String(); !strings.Contains(log, "result table differs") || !strings.Contains(log, name) {
		t.Errorf("the log does not name the flow:\n%s", laminartest.Tail([]byte(log), 2000))
	}
	in.Serve()
}

// waitForMetric waits until a metric is there and above zero.
func waitForMetric(t *testing.T, in *laminartest.Installation, name string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get("http://" + in.Addr + "/metrics")
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
