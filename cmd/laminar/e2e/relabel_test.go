package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
)

// TestRelabelAndSources: rules of the settings file change what comes in, rules of a flow
// what it groups by, and its watermark stays where the slower of two clusters is, which
// flow show and the metrics name.
func TestRelabelAndSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("laminar.yaml", `ingest:
  relabel:
    - {regex: hash, action: labeldrop}
    - {source_labels: [pod], regex: canary-.*, action: drop}
`)
	flows := write("flows.yaml", `flows:
  - name: by_deployment
    promql: sum by (deployment) (sum_over_time(requests[10s]))
    every: 10s
    emit: close
    watermark_delay: 0s
    watermark: {by: [cluster], idle: 10m}
    relabel:
      - {source_labels: [pod], regex: '(.+)-[^-]+', target_label: deployment}
`)
	in := laminartest.New(t, "--config", config, "--flows", flows)
	in.Serve()
	pool := in.Pool()
	border := time.Now().Truncate(10*time.Second).UnixMilli() - 60_000
	send := func(at int64, cluster, pod, hash string) {
		t.Helper()
		raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels:  []prompb.Label{{Name: "__name__", Value: "requests"}, {Name: "cluster", Value: cluster}, {Name: "hash", Value: hash}, {Name: "pod", Value: pod}},
			Samples: []prompb.Sample{{Timestamp: at, Value: 1}},
		}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("answered %s", resp.Status)
		}
	}
	for _, pod := range []string{"web-1", "web-2", "api-1", "canary-1"} {
		send(border+1000, "a", pod, "x")
		send(border+2000, "a", pod, "y")
		send(border+15_000, "b", pod, "x")
		send(border+35_000, "a", pod, "x")
	}
	if n := count(t, pool, "select count(*) from laminar.series where labels ? 'hash' or labels->>'pod' like 'canary%'"); n != 0 {
		t.Errorf("%d series are not relabelled", n)
	}
	if n := count(t, pool, "select count(*) from laminar.series"); n != 6 {
		t.Errorf("there are %d series, want 6", n)
	}
	if got := metricOf(t, in, `laminar_ingest_relabel_dropped_samples_total{rule="2"}`); got != 4 {
		t.Errorf("rule 2 has left out %v samples, want 4", got)
	}
	show := func() view.Flow {
		var flows []view.Flow
		decode(t, in.Must("flow", "show", "by_deployment", "--output", "json"), &flows)
		return flows[0]
	}
	var f view.Flow
	defer func() {
		if t.Failed() {
			t.Logf("the flow is %+v, the first window should be stored until %s", f, view.FormatTime(border+10_000))
		}
	}()
	laminartest.Until(t, patience, "the flow has seen both clusters", func() bool {
		f = show()
		return len(f.Sources) == 2 && f.StoredUntil == view.FormatTime(border+10_000)
	})
	for _, s := range f.Sources {
		want, newest := view.SourceActive, border+35_000
		if s.Labels["cluster"] == "b" {
			want, newest = view.SourceHolds, border+15_000
		}
		if s.State != want || s.NewestSample != view.FormatTime(newest) {
			t.Errorf("source %+v, want it to be %s at %s", s, want, view.FormatTime(newest))
		}
	}
	eventually(t, "the metric says that cluster b is 20 s behind", func() bool {
		return metricOf(t, in, `laminar_flow_watermark_held_seconds{flow="by_deployment",source="cluster=\"b\""}`) == 20
	})
	const want = "api 2\nweb 4\n"
	laminartest.Until(t, patience, "late samples are in the table", func() bool {
		return in.PSQL("-c", "select deployment || ' ' || value from flow.by_deployment order by 1", "-A", "-t") == want
	})
}
