package browser

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// sender writes samples by remote write.
type sender struct {
	t  *testing.T
	to *remoteapi.API
}

func newSender(t *testing.T, in *laminartest.Installation) *sender {
	t.Helper()
	to, err := remoteapi.NewAPI("http://"+in.Addr, remoteapi.WithAPIPath("api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t, to}
}

// point is one sample of a series.
type point struct {
	labels []string // name and value in turn, sorted by name
	at     time.Time
	value  float64
}

// send returns when the samples are committed.
func (s *sender) send(points ...point) {
	s.t.Helper()
	if err := s.write(points...); err != nil {
		s.t.Fatal(err)
	}
}

// write returns why samples are refused.
func (s *sender) write(points ...point) error {
	var req prompb.WriteRequest
	for _, p := range points {
		ts := prompb.TimeSeries{Samples: []prompb.Sample{{Timestamp: p.at.UnixMilli(), Value: p.value}}}
		for i := 0; i < len(p.labels); i += 2 {
			ts.Labels = append(ts.Labels, prompb.Label{Name: p.labels[i], Value: p.labels[i+1]})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	_, err := s.to.Write(s.t.Context(), remoteapi.WriteV1MessageType, &req)
	return err
}

// requests sends requests and errors of three jobs, a sample every 10 s; from is when their
// counters began.
func (s *sender) requests(from, to time.Time, began time.Time) {
	s.t.Helper()
	var points []point
	for at := from; !at.After(to); at = at.Add(10 * time.Second) {
		seconds := at.Sub(began).Seconds()
		for j, job := range []string{"api", "web", "worker"} {
			for c, code := range []string{"200", "404", "503"} {
				rate := float64(40/(j+1)) / float64(1+12*c)
				points = append(points, point{[]string{"__name__", "http_requests_total", "code", code, "instance", "i1", "job", job}, at, rate * seconds})
			}
		}
	}
	s.send(points...)
}

// apply applies definitions.
func apply(t *testing.T, in *laminartest.Installation, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in.Must("flow", "apply", "-f", file)
}

// alerts are rules of which one fires.
const alerts = `groups:
  - name: errors
    interval: 5s
    query_offset: 1s
    rules:
      - alert: HighErrorRate
        expr: sum by (job) (rate(http_requests_total{code="503"}[1m])) > 1
        labels: {severity: page}
        annotations: {summary: "{{ $labels.job }} answers {{ $value }} requests a second with errors"}
`

// flows are what the pages show. The last one's open window is that of now, so that a new
// value is in it.
const flows = `flows:
  - name: http_requests:rate1m
    promql: sum by (job, code) (rate(http_requests_total[1m]))
    every: 10s
    backfill: all
  - name: http_errors:ratio1m
    promql: |
      sum by (job) (rate(http_requests_total{code=~"5.."}[1m]))
        / sum by (job) (rate(http_requests_total[1m]))
    every: 10s
    backfill: all
  - name: level:max
    promql: max by (job) (max_over_time(level[10s]))
    every: 10s
    watermark_delay: 0s
`

// sources is a flow whose watermark goes by sites, and whose table lacks rows and samples.
const sources = `flows:
  - name: readings:by_site
    promql: sum by (site) (sum_over_time(reading[10s]))
    every: 10s
    emit: close
    watermark: {by: [site], idle: 5h}
    watermark_delay: 0s
    late: drop
    max_groups: 2
`
