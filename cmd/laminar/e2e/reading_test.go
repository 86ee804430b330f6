package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// TestReaders reads Laminar with what people have: the client library of the Prometheus
// project, promtool, a stock Prometheus by remote read, and vmalert, which evaluates
// rules over Laminar and writes their results back to it.
func TestReaders(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t)
	in.Serve()
	base := "http://" + in.Addr
	end := time.Now().Truncate(time.Second)
	writeJobs(t, in, end)

	// The values that everyone must get: the counter of job j grows by j+1 a second, and
	// 285 s lie between the first and the last sample of the window.
	const expr = "sum by (job) (max_over_time(jobs_total[5m]) - min_over_time(jobs_total[5m]))"
	want := map[string]string{"job0": "570", "job1": "1140", "job2": "1710"}
	at := end.Add(-10*time.Minute - 7*time.Second)

	client, err := api.NewClient(api.Config{Address: base})
	if err != nil {
		t.Fatal(err)
	}
	reader := promv1.NewAPI(client)
	value, warnings, infos, err := reader.Query(t.Context(), expr, at)
	vector, ok := value.(model.Vector)
	if err != nil || !ok || len(warnings)+len(infos) != 0 {
		t.Fatalf("client: %v, %v, %v", value, warnings, err)
	}
	got := map[string]string{}
	for _, s := range vector {
		got[string(s.Metric["job"])] = s.Value.String()
	}
	requireJobs(t, "the client", got, want)
	ranged, _, _, err := reader.QueryRange(t.Context(), expr, promv1.Range{Start: at.Add(-5 * time.Minute), End: at, Step: time.Minute})
	if matrix, ok := ranged.(model.Matrix); err != nil || !ok || len(matrix) != 3 || len(matrix[0].Values) != 6 {
		t.Errorf("client, range: %v, %v", ranged, err)
	}
	names, _, _, err := reader.LabelNames(t.Context(), nil, at, end)
	if err != nil || !slices.Equal(names, model.LabelNames{"__name__", "instance", "job"}) {
		t.Errorf("client, label names: %v, %v", names, err)
	}
	jobs, _, _, err := reader.LabelValues(t.Context(), "job", []string{"jobs_total"}, time.Time{}, end)
	if err != nil || len(jobs) != 3 {
		t.Errorf("client, label values: %v, %v", jobs, err)
	}
	sets, _, _, err := reader.Series(t.Context(), []string{`{job="job1"}`}, at, end)
	if err != nil || len(sets) != 2 {
		t.Errorf("client, series: %v, %v", sets, err)
	}
	if build, err := reader.Buildinfo(t.Context()); err != nil || build.Version == "" {
		t.Errorf("client, build: %v, %v", build, err)
	}
	if _, err := reader.Runtimeinfo(t.Context()); err != nil {
		t.Errorf("client, runtime: %v", err)
	}
	if tsdb, err := reader.TSDB(t.Context()); err != nil || len(tsdb.SeriesCountByMetricName) != 1 || tsdb.SeriesCountByMetricName[0].Value != 6 {
		t.Errorf("client, tsdb: %v, %v", tsdb, err)
	}

	for _, args := range [][]string{
		{"query", "instant", "--time=" + fmt.Sprint(at.Unix()), base, expr},
		{"query", "range", "--start=" + fmt.Sprint(at.Unix()), "--end=" + fmt.Sprint(at.Unix()+60), "--step=1m", base, expr},
		{"query", "labels", base, "job"},
		{"query", "series", "--match=jobs_total", base},
	} {
		out, err := exec.Command(filepath.Join("..", "..", "..", ".tools", "bin", "promtool"), args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "job2") || strings.Contains(args[1], "instant") && !strings.Contains(string(out), `{job="job2"} => 1710 @`) {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}

	t.Run("remote read", func(t *testing.T) {
		dir, addr := t.TempDir(), laminartest.FreeAddr(t)
		config := filepath.Join(dir, "prometheus.yml")
		writeFile(t, config, "remote_read: [{url: \""+base+"/api/v1/read\", read_recent: true}]\n")
		startSender(t, "prometheus", "http://"+addr+"/-/ready", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
		requireJobs(t, "Prometheus by remote read", jobsOf(t, "http://"+addr, expr, at), want)
	})

	t.Run("vmalert", func(t *testing.T) {
		addr, rules := laminartest.FreeAddr(t), filepath.Join(t.TempDir(), "rules.yml")
		writeFile(t, rules, "groups: [{name: g, interval: 1s, rules: [{record: \"job:doubled\", expr: \"sum by (job) (last_over_time(jobs_total[1h])) * 0 + 2\"}]}]\n")
		startSender(t, "vmalert", "http://"+addr+"/health", "-rule="+rules, "-datasource.url="+base, "-remoteWrite.url="+base, "-notifier.url=http://127.0.0.1:1",
			"-httpListenAddr="+addr, "-remoteWrite.flushInterval=100ms")
		eventually(t, "results of the rule are stored", func() bool {
			got := jobsOf(t, base, "last_over_time({__name__=\"job:doubled\"}[1h])", time.Now())
			return len(got) == 3 && got["job1"] == "2"
		})
	})
}

// writeJobs sends half an hour of samples: three jobs of two instances each.
func writeJobs(t *testing.T, in *laminartest.Installation, end time.Time) {
	t.Helper()
	writer, err := remoteapi.NewAPI("http://"+in.Addr, remoteapi.WithAPIPath("api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	var req prompb.WriteRequest
	for j := range 3 {
		for i := range 2 {
			ts := prompb.TimeSeries{Labels: []prompb.Label{
				{Name: "__name__", Value: "jobs_total"}, {Name: "instance", Value: fmt.Sprint("i", i)}, {Name: "job", Value: fmt.Sprint("job", j)},
			}}
			for s := 0; s <= 1800; s += 15 {
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: end.Add(-time.Duration(1800-s) * time.Second).UnixMilli(), Value: float64(s * (j + 1))})
			}
			req.Timeseries = append(req.Timeseries, ts)
		}
	}
	if _, err := writer.Write(t.Context(), remoteapi.WriteV1MessageType, &req); err != nil {
		t.Fatal(err)
	}
}

// jobsOf is what an expression gives by job.
func jobsOf(t *testing.T, base, expr string, at time.Time) map[string]string {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	body := get(t, base+"/api/v1/query?"+url.Values{"query": {expr}, "time": {fmt.Sprint(at.Unix())}}.Encode())
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := map[string]string{}
	for _, one := range answer.Data.Result {
		out[one.Metric["job"]] = fmt.Sprint(one.Value[1])
	}
	return out
}

func requireJobs(t *testing.T, who string, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s got %v, want %v", who, got, want)
	}
}
