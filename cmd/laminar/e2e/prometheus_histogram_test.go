package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/partial/partialtest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// TestPrometheusHistograms lets a stock Prometheus scrape native histograms from
// a program that is instrumented with Prometheus's own library, and write them to
// Laminar. SQL must read exactly what Prometheus's query API gives. Stale markers, which a
// scrape that takes too long leaves, do not count: that API does not show them.
func TestPrometheusHistograms(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t)
	in.Serve()
	reg := prometheus.NewRegistry()
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "work_seconds", Help: "Time of work.", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 60,
	}, []string{"kind"})
	reg.MustRegister(latency)
	program := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	defer program.Close()
	rng := rand.New(rand.NewPCG(5, 6))
	work := func() {
		for _, kind := range []string{"read", "write"} {
			for range 20 {
				latency.WithLabelValues(kind).Observe(math.Exp(rng.NormFloat64()) * float64(rng.IntN(3)-1))
			}
		}
	}
	work()

	dir, addr := t.TempDir(), laminartest.FreeAddr(t)
	config := filepath.Join(dir, "prometheus.yml")
	writeFile(t, config, fmt.Sprintf(`
global: {scrape_interval: 1s}
remote_write:
  - url: http://%s/api/v1/write
    send_native_histograms: true
    queue_config: {batch_send_deadline: 500ms}
scrape_configs:
  - job_name: work
    static_configs: [{targets: [%q]}]
`, in.Addr, strings.TrimPrefix(program.URL, "http://")))
	startSender(t, "prometheus", "http://"+addr+"/-/ready", "--enable-feature=native-histograms",
		"--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	pool := in.Pool()
	eventually(t, "eight scrapes of both histograms have landed", func() bool {
		work()
		return count(t, pool, "select count(*) from laminar.histogram_sample where metric = 'work_seconds' and histogram is not null") >= 16
	})
	// A scrape of before the cut may not be over. Those of a target follow each other.
	cut := time.Now()
	eventually(t, "a later scrape of both histograms has landed", func() bool {
		return count(t, pool, "select count(*) from laminar.histogram_sample where metric = 'work_seconds' and histogram is not null and ts > $1", cut) >= 2
	})
	want := prometheusHistograms(t, addr, "work_seconds", cut)
	if len(want) < 14 {
		t.Errorf("Prometheus knows only %d histograms", len(want))
	}
	eventually(t, "what Prometheus has until then has landed", func() bool {
		n := count(t, pool, "select count(*) from laminar.histogram_sample where metric = 'work_seconds' and histogram is not null and ts <= $1", cut)
		return n >= len(want)
	})
	rows, err := pool.Query(t.Context(), `select labels->>'kind', (extract(epoch from ts) * 1000)::bigint, histogram
		from laminar.histogram_sample where metric = 'work_seconds' and histogram is not null and ts <= $1`, cut)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var kind string
		var at int64
		var got struct {
			Count, Sum float64
			Buckets    [][3]float64
		}
		if err := rows.Scan(&kind, &at, &got); err != nil {
			t.Fatal(err)
		}
		n++
		w, known := want[fmt.Sprint(kind, " ", at)]
		same := known && got.Count == w.count && got.Sum == w.sum && len(got.Buckets) == len(w.buckets)
		for i := range w.buckets {
			for j := range 3 {
				same = same && partialtest.Close(got.Buckets[i][j], w.buckets[i][j], 1e-12*math.Abs(w.buckets[i][j]))
			}
		}
		if !same {
			t.Errorf("%s at %d is %+v, Prometheus has %+v", kind, at, got, w)
		}
	}
	if err := rows.Err(); err != nil || n != len(want) {
		t.Errorf("%d histograms are stored, Prometheus has %d, %v", n, len(want), err)
	}
}

// apiHistogram is a histogram of Prometheus's query API: lower bound, upper bound
// and count of each bucket that is not empty, ascending.
type apiHistogram struct {
	count, sum float64
	buckets    [][3]float64
}

// prometheusHistograms asks a Prometheus for all histograms of a metric until
// cut, by "kind time".
func prometheusHistograms(t *testing.T, addr, metric string, cut time.Time) map[string]apiHistogram {
	t.Helper()
	query := url.Values{"query": {metric + "[1h]"}, "time": {strconv.FormatFloat(float64(cut.UnixMilli())/1000, 'f', 3, 64)}}
	var answer struct {
		Data struct {
			Result []struct {
				Metric     map[string]string
				Histograms [][2]json.RawMessage // seconds, histogram
			}
		}
	}
	body := get(t, "http://"+addr+"/api/v1/query?"+query.Encode())
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %.200s", err, body)
	}
	out := map[string]apiHistogram{}
	for _, series := range answer.Data.Result {
		for _, pair := range series.Histograms {
			var seconds float64
			var doc struct {
				Count, Sum string
				Buckets    [][4]any // which bounds belong to it, lower, upper, count
			}
			if err := json.Unmarshal(pair[0], &seconds); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(pair[1], &doc); err != nil {
				t.Fatalf("%v in %s", err, pair[1])
			}
			h := apiHistogram{count: number(t, doc.Count), sum: number(t, doc.Sum)}
			for _, b := range doc.Buckets {
				h.buckets = append(h.buckets, [3]float64{number(t, b[1]), number(t, b[2]), number(t, b[3])})
			}
			out[fmt.Sprint(series.Metric["kind"], " ", int64(math.Round(seconds*1000)))] = h
		}
	}
	return out
}

func number(t *testing.T, text any) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(fmt.Sprint(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
