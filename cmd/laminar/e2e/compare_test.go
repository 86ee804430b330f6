package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// TestCompare holds tables against Debian's Prometheus, which has the same samples, and
// then lacks some.
func TestCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, definitions := filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "flows.yaml")
	writeFile(t, config, "global: {evaluation_interval: 15s}\n")
	writeFile(t, definitions, `flows:
  - {name: rate, promql: 'sum by (job) (rate(http_requests_total[1m]))', every: 30s}
  - {name: series, promql: 'increase(http_requests_total[2m])', every: 1m}
  - {name: pure, promql: 'sum by (job) (increase_pure(http_requests_total[1m]))', every: 30s}
  - {name: visits, promql: 'sum by (job) (http_requests_total)', session: {gap: 1m}}
  - {name: total, promql: 'sum(increase_pure(http_requests_total[1m])) + (total or vector(0))', every: 1m}
  - {name: folded, promql: 'sum by (instance) (rate(http_requests_total[1m]))', every: 30s, max_groups: 2, late: drop}
`)
	prometheus := laminartest.FreeAddr(t)
	startSender(t, "prometheus", "http://"+prometheus+"/-/ready", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+prometheus, "--web.enable-remote-write-receiver")
	in := laminartest.New(t)
	in.Serve()
	in.Must("flow", "apply", "-f", definitions)

	series := make([][]fleet.Label, 6)
	for i := range series {
		series[i] = []fleet.Label{
			{Name: "__name__", Value: "http_requests_total"}, {Name: "instance", Value: fmt.Sprint("i", i)}, {Name: "job", Value: fmt.Sprint("j", i%2)},
		}
	}
	send := func(points []fleet.Point, addrs ...string) {
		t.Helper()
		body, err := fleet.Encode(series, points)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range addrs {
			resp, err := http.Post("http://"+addr+"/api/v1/write", "application/x-protobuf", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); resp.StatusCode/100 != 2 {
				t.Fatalf("%s answers %s", addr, resp.Status)
			}
		}
	}
	// No sample stands at the beginning of a range, which Prometheus 2 has in it, too.
	begin := time.Now().Add(-10 * time.Minute).Truncate(time.Minute).Add(1300 * time.Millisecond)
	for n := range 100 {
		var points []fleet.Point
		for i := range series {
			points = append(points, fleet.Point{Series: i, T: begin.Add(time.Duration(n) * 5 * time.Second).UnixMilli(), V: float64(n*(i+3) - 200*(n/50))})
		}
		send(points, prometheus, in.Addr)
	}
	in.Must("flow", "wait", "--timeout", "4m")
	type report struct {
		Windows, Equal, Different int64

		OnlyHere  int64 `json:"only_here"`
		OnlyThere int64 `json:"only_there"`
		Cells     []struct{ Kind, Here, There string }
	}
	url := "http://" + prometheus
	from, to := begin.Add(2*time.Minute).Format(time.RFC3339), begin.Add(7*time.Minute).Format(time.RFC3339)
	compared := func(args ...string) (r report, code int) {
		t.Helper()
		args = append([]string{"flow", "compare"}, args...)
		out, err := in.Run(append(args, "--prometheus", url, "--from", from, "--to", to, "--output", "json")...)
		var all []report
		if bad := json.NewDecoder(strings.NewReader(out[max(0, strings.Index(out, "[\n")):])).Decode(&all); bad != nil || len(all) != 1 {
			t.Fatalf("%v: %v, %v, %s", args, err, bad, out)
		}
		return all[0], laminartest.ExitCode(err)
	}
	for _, name := range []string{"rate", "series"} {
		r, code := compared(name)
		if code != 0 || r.Windows < 5 || r.Equal < 2*r.Windows || r.Different+r.OnlyHere+r.OnlyThere != 0 {
			t.Errorf("%s: exit code %d, %+v", name, code, r)
		}
	}
	// Laminar's own API computes from raw samples what is no flow's expression.
	own, _ := in.Run("flow", "compare", "pure", "--prometheus", "http://"+in.Addr, "--from", from, "--to", to, "--output", "json",
		"--query", "1 * sum by (job) (increase_pure(http_requests_total{job!=''}[1m]))")
	if !strings.Contains(own, `"equal": 20,`) || !strings.Contains(own, `"different": 0,`) || !strings.Contains(own, `"only_there": 0,`) {
		t.Errorf("the same by queries: %s", own)
	}
	// What the query gives can be asked for.
	if r, code := compared("rate", "--query", "2 * sum by (job) (rate(http_requests_total[1m]))"); code != 1 || r.Different == 0 || r.Equal != 0 || len(r.Cells) == 0 || r.Cells[0].Kind != "different" {
		t.Errorf("against twice the rate: exit code %d, %+v", code, r)
	}
	if r, code := compared("rate", "--query", "sum by (job) (rate(http_requests_total{job='j0'}[1m]))"); code != 1 || r.OnlyHere != r.Equal || r.OnlyHere == 0 {
		t.Errorf("against one job: exit code %d, %+v", code, r)
	}
	if r, code := compared("rate", "--query", "sum by (job) (rate(http_requests_total[1m])) or label_replace(vector(1), 'job', 'other', '', '')"); code != 1 || r.OnlyThere == 0 || r.Different+r.OnlyHere != 0 {
		t.Errorf("against more jobs: exit code %d, %+v", code, r)
	}
	// What the definition lets differ is said.
	out, err := in.Run("flow", "compare", "folded", "--prometheus", url, "--from", from, "--to", to)
	for _, want := range []string{"folded may rightly differ by max_groups: here all groups but 2 are one row, __other__.", "folded may rightly differ by late: drop: "} {
		if laminartest.ExitCode(err) != 1 || !strings.Contains(out, want) {
			t.Errorf("a folded table: %v, %s, want %q", err, out, want)
		}
	}
	if r, _ := compared("folded"); r.Equal < 20 || r.OnlyHere < 10 || r.OnlyThere != 4*r.OnlyHere {
		t.Errorf("a folded table: %+v", r)
	}
	// A sample that only Laminar has.
	send([]fleet.Point{{Series: 2, T: begin.Add(200*time.Second + 2*time.Second).UnixMilli(), V: 1e6}}, in.Addr)
	eventually(t, "windows of the late sample differ", func() bool {
		r, code := compared("rate")
		return code == 1 && r.Different > 0 && r.Equal > r.Different
	})
	in.WantFailure(t, 1, "ask http://u:xxxxx@127.0.0.1:1", "flow", "compare", "rate", "--prometheus", "http://u:secret@127.0.0.1:1")
	in.WantFailure(t, 1, "its results are sessions", "flow", "compare", "visits", "--prometheus", url)
	in.WantFailure(t, 1, "its expression reads what it gave before", "flow", "compare", "total", "--prometheus", url)
	in.WantFailure(t, 2, "--prometheus: want an address", "flow", "compare", "rate", "--prometheus", "nowhere")
	out, _ = in.Run("flow", "compare", "rate", "--prometheus", "http://u:secret@127.0.0.1:1")
	if strings.Contains(out, "secret") {
		t.Errorf("the password is shown: %s", out)
	}
}
