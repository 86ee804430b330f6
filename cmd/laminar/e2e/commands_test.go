package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

// TestCommands walks through what a user does, with the program as it is
// installed: serve, simulate, wait, look, refill, seal, apply, delete.
func TestCommands(t *testing.T) {
	t.Parallel()
	definitions := filepath.Join(t.TempDir(), "demo.yaml")
	if err := os.WriteFile(definitions, demoFlows(t), 0o600); err != nil {
		t.Fatal(err)
	}
	in := laminartest.New(t, "--flows", definitions, "--log-level", "warn")
	in.Serve()
	out := in.Must("simulate", "--url", in.WriteURL(), "--history", "6m", "--instances", "3")
	if !strings.Contains(out, "samples acknowledged") {
		t.Errorf("simulate says %q", out)
	}
	in.Must("flow", "wait", "--timeout", "4m")

	t.Run("metrics are documented", func(t *testing.T) {
		pages, err := filepath.Glob("../../../docs/*.md")
		if err != nil {
			t.Fatal(err)
		}
		var text []byte
		for _, page := range pages {
			data, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, data...)
		}
		named := 0
		for line := range strings.Lines(string(get(t, "http://"+in.Addr+"/metrics"))) {
			rest, is := strings.CutPrefix(line, "# HELP laminar_")
			if !is {
				continue
			}
			named++
			name, _, _ := strings.Cut(rest, " ")
			if !regexp.MustCompile("laminar_" + name + `\b`).Match(text) {
				t.Errorf("no document says what laminar_%s is", name)
			}
		}
		if named < 60 {
			t.Errorf("only %d metrics were found", named)
		}
	})
	t.Run("status", func(t *testing.T) {
		var st struct {
			Regions []view.Region
			Raw     view.Storage
			Flows   []view.Flow
			Jobs    []view.Job
			Nodes   []view.Node `json:"flownodes"`
			Leases  []view.Lease
		}
		decode(t, in.Must("status", "--output", "json"), &st)
		if len(st.Regions) != 2 || st.Regions[0].Sequence == 0 || st.Raw.HotBytes == 0 || len(st.Flows) != 4 {
			t.Errorf("status is %+v", st)
		}
		if len(st.Nodes) != 1 || st.Nodes[0].State != view.NodeLeads || st.Nodes[0].Address != in.Addr || len(st.Leases) != 1 || st.Leases[0].PID == 0 || st.Leases[0].Process != st.Nodes[0].Name {
			t.Errorf("the flownode of status is %+v, its lease %+v", st.Nodes, st.Leases)
		}
		for _, f := range st.Flows {
			if f.StoredUntil == "-" || f.Error != "" || f.LagSequences != 0 {
				t.Errorf("after flow wait: %+v", f)
			}
		}
		text := in.Must("status")
		for _, want := range []string{"REGION", "RAW DATA", "flow.http_requests_rate1m", "no jobs", "leads since", "LEASE"} {
			if !strings.Contains(text, want) {
				t.Errorf("status lacks %q:\n%s", want, text)
			}
		}
	})

	t.Run("results", func(t *testing.T) {
		count := strings.TrimSpace(in.PSQL("-tAc", "select count(*) from flow.http_requests_rate1m"))
		if count == "0" || count == "" {
			t.Errorf("the rate's table has %q rows", count)
		}
	})

	t.Run("metadata", func(t *testing.T) {
		// As Prometheus says it: of the family, and of all there are.
		raw, err := (&prompb.WriteRequest{Metadata: []prompb.MetricMetadata{
			{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "http_requests", Help: "Requests served.", Unit: "requests"},
			{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "temperature_celsius", Help: "Not read by the flow."},
		}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("answered %s", resp.Status)
		}
		const want = "http_requests_total: counter, requests. Requests served."
		eventually(t, "flow show tells what the metric is", func() bool {
			return strings.Contains(in.Must("flow", "show", "http_requests:rate1m"), want)
		})
		var shown []view.Flow
		decode(t, in.Must("flow", "show", "http_requests:rate1m", "--output", "json"), &shown)
		if len(shown) != 1 || len(shown[0].Metrics) != 1 || shown[0].Metrics[0].Unit != "requests" {
			t.Errorf("flow show says %+v", shown)
		}
		var taken []view.Explained
		decode(t, in.Must("flow", "explain", "http_requests:rate1m", "--output", "json"), &taken)
		if len(taken) != 1 || len(taken[0].Leaves) != 1 || taken[0].Data == nil || taken[0].Data.RoundTrip <= 0 || taken[0].SaidBy != "setting" {
			t.Fatalf("flow explain says %+v", taken)
		}
		if l := taken[0].Leaves[0]; l.CannotPush != "state_not_simple" || l.Executor != "columnar" || l.Read == nil ||
			l.Read.Series == 0 || l.Read.Groups == 0 || l.Read.Samples == 0 || l.Read.Bytes == 0 || l.Read.Columnar <= 0 || l.Read.Pushdown != 0 {
			t.Errorf("flow explain says of the leaf %+v, read %+v", l, l.Read)
		}
		if out := in.Must("flow", "explain", "http_requests:rate1m"); !strings.Contains(out, "cannot_push, state_not_simple") || !strings.Contains(out, "a round trip") {
			t.Errorf("flow explain says\n%s", out)
		}
		in.WantFailure(t, laminartest.ExitFault, `did you mean`, "flow", "explain", "http_request:rate1m")
	})

	t.Run("ingest", func(t *testing.T) {
		send := func(at int64) {
			raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
				Labels: []prompb.Label{{Name: "__name__", Value: "ingest_seen"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: at}},
			}}}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		seen := func() (v view.Ingest) {
			resp, err := http.Get("http://" + in.Addr + "/api/v1/laminar/ingest")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		before := seen()
		send(time.Now().UnixMilli())
		send(time.Now().Add(1000 * time.Hour).UnixMilli())
		after := seen()
		if !after.Here || after.Samples != before.Samples+1 || after.Series == 0 || after.BufferLimit == 0 || after.Flushes["committed"] == 0 {
			t.Errorf("what came in is %+v, before %+v", after, before)
		}
		if len(after.Refused) != 1 || after.Refused[0].Reason != "too_far_ahead" || after.Refused[0].Samples != 1 ||
			!strings.Contains(after.Refused[0].Example, "ingest_seen") || after.Refused[0].Sender != "address 127.0.0.1" {
			t.Errorf("what was refused is %+v", after.Refused)
		}
	})

	t.Run("state", func(t *testing.T) {
		url := "http://" + in.Addr
		var st view.StateSeen
		decode(t, in.Must("flow", "state", "http_requests:rate1m", "--url", url, "--limit", "2", "--output", "json"), &st)
		if !st.Here || st.Bytes == 0 || len(st.Leaves) != 1 || st.Leaves[0].Kind != "counter" || len(st.Leaves[0].Panes) == 0 ||
			len(st.Leaves[0].Partials) != 2 || st.Leaves[0].PartialsMore == 0 || st.Leaves[0].Partials[0].Series["__name__"] != "http_requests_total" {
			t.Fatalf("flow state says %+v", st)
		}
		end := st.Leaves[0].Panes[len(st.Leaves[0].Panes)-1].End
		job := st.Leaves[0].Partials[0].Group["job"]
		out := in.Must("flow", "state", "http_requests:rate1m", "--url", url, "--window", end, "--group", "job="+job)
		for _, want := range []string{"counter, one for each series and pane of", "  pane " + end, "  merged ", "job=" + job, "first_t "} {
			if !strings.Contains(out, want) {
				t.Errorf("flow state lacks %q:\n%s", want, out)
			}
		}
		in.WantFailure(t, laminartest.ExitFault, `did you mean`, "flow", "state", "http_request:rate1m", "--url", url)
		in.WantFailure(t, laminartest.ExitUsage, "want an address", "flow", "state", "http_requests:rate1m", "--url", "here")
		in.WantFailure(t, laminartest.ExitFault, "of the process that keeps flows", "flow", "state", "http_requests:rate1m", "--url", "http://127.0.0.1:1")
	})

	t.Run("refill", func(t *testing.T) {
		var plan view.RefillPlan
		decode(t, in.Must("refill", "http_requests:rate1m", "--from", "-5m", "--to", "-1m", "--plan", "--output", "json"), &plan)
		if len(plan.Flows) != 1 || plan.Windows == 0 || plan.Samples == 0 || plan.Seconds <= 0 || plan.Refused || strings.TrimSpace(in.PSQL("-tAc", "select count(*) from laminar.job")) != "0" {
			t.Errorf("the plan of a refill is %+v", plan)
		}
		if out := in.Must("refill", "http_requests:rate1m", "--from", "-5m", "--plan"); !strings.Contains(out, "nothing was asked for") {
			t.Errorf("the plan of a refill says\n%s", out)
		}
		// What a refill computes again is what is there already: nothing changes.
		out := in.Must("refill", "http_requests:rate1m", "--from", "-5m", "--to", "-1m")
		if !strings.Contains(out, "0 rows changed") || strings.Contains(out, ": 0 windows") {
			t.Errorf("refill says %q", out)
		}
		// What somebody has changed is put right.
		in.PSQL("-c", `update flow.http_requests_rate1m set value = -1
			where window_end <= to_timestamp((select emitted_until from laminar.flow where title = 'http_requests:rate1m') / 1000.0)`)
		if spoilt := strings.TrimSpace(in.PSQL("-tAc", "select count(*) from flow.http_requests_rate1m where value = -1")); spoilt == "0" {
			t.Error("there are no closed windows")
		}
		in.Must("refill", "http_requests:rate1m", "--from", "-40m", "--to", "now")
		if left := strings.TrimSpace(in.PSQL("-tAc", "select count(*) from flow.http_requests_rate1m where value = -1")); left != "0" {
			t.Errorf("%s rows are still wrong after a refill", left)
		}
		id := strings.TrimSpace(strings.TrimPrefix(in.Must("refill", "http_requests:rate1m", "--from", "-5m", "--to", "-1m", "--no-wait"), "job"))
		var jobs []view.Job
		decode(t, in.Must("job", "list", "--output", "json"), &jobs)
		if len(jobs) != 3 || jobs[0].Flow != "http_requests:rate1m" {
			t.Errorf("jobs are %+v", jobs)
		}
		in.Must("job", "cancel", id)
		if out := in.Must("job", "show", id); !strings.Contains(out, "cancelled") && !strings.Contains(out, "done") {
			t.Errorf("a cancelled job is\n%s", out)
		}
	})

	t.Run("seal", func(t *testing.T) {
		if out := in.Must("seal", "--force"); !strings.Contains(out, "sealed generation 1") {
			t.Errorf("seal says %q", out)
		}
		if out := in.Must("seal"); !strings.Contains(out, "nothing to seal") {
			t.Errorf("a second seal says %q", out)
		}
		in.Must("flow", "wait", "--timeout", "4m")
	})

	t.Run("definitions", func(t *testing.T) {
		if out := in.Must("flow", "apply", "-f", definitions); strings.Count(out, "unchanged") != 4 {
			t.Errorf("applying again says\n%s", out)
		}
		changed := strings.ReplaceAll(string(demoFlows(t)), "sum by (code)", "sum by (code, method)")
		if err := os.WriteFile(definitions, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		in.WantFailure(t, laminartest.ExitFault, "Try: --replace", "flow", "apply", "-f", definitions)
		if out := in.Must("flow", "apply", "-f", definitions, "--replace"); !strings.Contains(out, "replaced") {
			t.Errorf("replacing says\n%s", out)
		}
		in.WantFailure(t, laminartest.ExitFault, `did you mean "temperature:avg30s"?`, "flow", "delete", "temperature:avg30")
		in.Must("flow", "delete", "temperature:avg30s")
		if out := in.Must("flow", "list"); strings.Contains(out, "temperature") {
			t.Errorf("a deleted flow is listed:\n%s", out)
		}
		if out := in.PSQL("-tAc", "select to_regclass('flow.temperature_avg30s') is null"); strings.TrimSpace(out) != "t" {
			t.Errorf("its table is still there: %s", out)
		}
		if out := in.Must("flow", "show", "http_errors:ratio1m"); !strings.Contains(out, "kept") {
			t.Errorf("flow show says\n%s", out)
		}
	})

	t.Run("failures", func(t *testing.T) {
		in.WantFailure(t, laminartest.ExitFault, "in use by laminar process", "serve", "--listen", "127.0.0.1:0")
		in.WantFailure(t, laminartest.ExitFault, "listen on "+in.Addr, "serve", "--listen", in.Addr)
		in.WantFailure(t, laminartest.ExitFault, "did you mean", "refill", "http_request:rate1m", "--from", "-5m")
		in.WantFailure(t, laminartest.ExitFault, "Try: laminar job list", "job", "show", "99")
		in.WantPSQLFailure(t, laminartest.ExitFault, "does not exist", "-c", "select * from nothing")
	})

	t.Run("timeout", func(t *testing.T) {
		// A flow that another session keeps from committing cannot catch up.
		pool := in.Pool()
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// In the order in which a round locks them.
		if _, err := tx.Exec(t.Context(), "select * from laminar.flow order by id for update"); err != nil {
			t.Fatal(err)
		}
		// No process beside it: a flow that cannot move for long stands still, which is told
		// at once.
		raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels:  []prompb.Label{{Name: "__name__", Value: "http_requests_total"}, {Name: "job", Value: "held"}},
			Samples: []prompb.Sample{{Value: 1, Timestamp: time.Now().UnixMilli()}},
		}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("answered %s", resp.Status)
		}
		in.WantFailure(t, laminartest.ExitTimeout, "not caught up", "flow", "wait", "--timeout", "1s")
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		in.Must("flow", "wait", "--timeout", "4m")
	})

	in.Stop()
	if out, err := in.Run("status"); laminartest.ExitCode(err) != laminartest.ExitUnreachable || !strings.Contains(out, "laminar serve --data-dir") {
		t.Errorf("status without a server: %v\n%s", err, out)
	}
}

// TestPlannedRefill: a refill in the configuration of two processes is asked for
// once at each due time, and done.
func TestPlannedRefill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := "flows: [" + filepath.Join(dir, "demo.yaml") + "]\n" +
		"refills:\n  - {flow: 'http_requests:rate1m', schedule: '@every 1s', from: -5m}\n"
	for name, text := range map[string]string{"laminar.yaml": file, "demo.yaml": string(demoFlows(t))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := sqltest.New(t)
	var in *laminartest.Installation
	for range 2 {
		in = laminartest.New(t, "--config", filepath.Join(dir, "laminar.yaml"))
		in.URL = db.URL
		in.Serve()
	}
	in.Must("simulate", "--url", in.WriteURL(), "--history", "3m", "--instances", "1")
	var jobs []view.Job
	laminartest.Until(t, patience, "a planned refill is done", func() bool {
		decode(t, in.Must("job", "list", "--output", "json"), &jobs)
		return len(jobs) > 5 && slices.ContainsFunc(jobs, func(j view.Job) bool { return j.State == "done" && j.Windows > 0 })
	})
	asked := map[string]bool{}
	for _, j := range jobs {
		if asked[j.To] {
			t.Errorf("the refill due at %s was asked for twice", j.To)
		}
		asked[j.To] = true
	}
}

// TestExposure: nobody who is not meant to can write to a Laminar that others
// can reach.
func TestExposure(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t)
	in.WantFailure(t, laminartest.ExitUsage, "--allow-unauthenticated", "serve", "--listen", "0.0.0.0:0")

	web := filepath.Join(t.TempDir(), "web.yml")
	// The password is "test".
	users := "basic_auth_users:\n  writer: $2a$04$TxMt4MvUw4RmTsqA70U4pOJljSdW.rRrE7DxYPdpH9LYKswlEfupq\n"
	if err := os.WriteFile(web, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(in.Addr, ":")
	in.BeginWith("serve", "--data-dir", in.Dir, "--listen", "0.0.0.0:"+port, "--web.config.file", web)
	get := func(path, user string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+in.Addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, "test")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	deadline := time.Now().Add(patience)
	for {
		if code, err := get("/-/ready", ""); err == nil && code == http.StatusOK { // probes have no login
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("not ready: %d, %v", code, err)
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
	for user, want := range map[string]int{"": http.StatusUnauthorized, "writer": http.StatusOK, "reader": http.StatusUnauthorized} {
		if code, err := get("/metrics", user); err != nil || code != want {
			t.Errorf("as user %q: %d, %v; want %d", user, code, err, want)
		}
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
}

// demoFlows is the definitions that the demo applies.
func demoFlows(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
