package e2e

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// TestRemoteWriteClient sends with the client library of the Prometheus
// project, by 2.0, over a line that loses requests and answers: samples with
// start timestamps, exemplars and metadata. The client must think that
// everything was written, and the database hold it once: with a zero where each
// counter began.
func TestRemoteWriteClient(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t, "--ingest-start-timestamps", "zero_sample")
	in.Serve()
	line := newBadLine(t, "http://"+in.Addr)
	api, err := remoteapi.NewAPI(line.url, remoteapi.WithAPIPath("api/v1/write"),
		remoteapi.WithAPIBackoff(remoteapi.BackoffConfig{Min: time.Millisecond, Max: 10 * time.Millisecond, MaxRetries: 10}))
	if err != nil {
		t.Fatal(err)
	}
	const series, scrapes = 50, 30
	begin := time.Now().Add(-time.Hour).UnixMilli()
	want, retries := samples{}, 0
	for scrape := range int64(scrapes) {
		at, started := begin+scrape*1000, begin-500
		if scrape >= scrapes/2 {
			started = begin + scrapes/2*1000 - 500 // all of them began anew
		}
		symbols := writev2.NewSymbolTable()
		var req writev2.Request
		for i := range series {
			labels := map[string]string{"i": fmt.Sprint(i), "job": "client"}
			ts := writev2.TimeSeries{
				Samples:   []writev2.Sample{{Value: float64(scrape), Timestamp: at, StartTimestamp: started}},
				Exemplars: []writev2.Exemplar{{LabelsRefs: []uint32{symbols.Symbolize("trace_id"), symbols.Symbolize(fmt.Sprint(scrape))}, Value: 1, Timestamp: at}},
				Metadata: writev2.Metadata{
					Type:    writev2.Metadata_METRIC_TYPE_COUNTER,
					HelpRef: symbols.Symbolize("Events seen."), UnitRef: symbols.Symbolize("events"),
				},
			}
			for _, l := range []string{"__name__", "events_total", "i", labels["i"], "job", "client"} {
				ts.LabelsRefs = append(ts.LabelsRefs, symbols.Symbolize(l))
			}
			req.Timeseries = append(req.Timeseries, ts)
			want.add(seriesKey("events_total", labels), at, float64(scrape))
			want.add(seriesKey("events_total", labels), started, 0)
		}
		req.Symbols = symbols.Symbols()
		stats, err := api.Write(t.Context(), remoteapi.WriteV2MessageType, &req,
			remoteapi.WithWriteRetryCallback(func(error) { retries++ }))
		if err != nil {
			t.Fatal(err)
		}
		if stats.Samples != series || stats.Exemplars != series || stats.Histograms != 0 {
			t.Errorf("scrape %d: %+v is confirmed, want %d samples and as many exemplars", scrape, stats, series)
		}
	}
	if line.lost.Load() == 0 || line.unheard.Load() == 0 || retries == 0 {
		t.Errorf("%d requests and %d answers were lost, %d retries: the test tests nothing", line.lost.Load(), line.unheard.Load(), retries)
	}
	pool := in.Pool()
	requireStored(t, pool, time.Now(), want)
	eventually(t, "the metric is described", func() bool {
		return count(t, pool, `select count(*) from laminar.metric_metadata where metric = 'events_total'
			and type = 'counter' and help = 'Events seen.' and unit = 'events'`) == 1
	})

	// What is refused is told as the client expects it.
	symbols := writev2.NewSymbolTable()
	refs := func(words ...string) (list []uint32) {
		for _, w := range words {
			list = append(list, symbols.Symbolize(w))
		}
		return list
	}
	bad := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{LabelsRefs: refs("__name__", "good"), Samples: []writev2.Sample{{Value: math.Pi, Timestamp: begin}}},
		{LabelsRefs: refs("job", "client"), Samples: []writev2.Sample{{Value: 1, Timestamp: begin}}},
	}}
	bad.Symbols = symbols.Symbols()
	line.calm.Store(true)
	stats, err := api.Write(t.Context(), remoteapi.WriteV2MessageType, bad)
	if err == nil || !strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), "no metric name") || stats.Samples != 1 {
		t.Errorf("a request with a bad series: %+v, %v", stats, err)
	}
	if n := count(t, pool, "select count(*) from laminar.sample where metric = 'good'"); n != 1 {
		t.Errorf("%d good samples of it are stored, want 1", n)
	}
}

// badLine stands before Laminar: some requests do not reach it, some answers do
// not reach the sender.
type badLine struct {
	url           string
	calm          atomic.Bool
	requests      atomic.Int64
	lost, unheard atomic.Int64
}

func newBadLine(t *testing.T, target string) *badLine {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	line, through := &badLine{}, httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := line.requests.Add(1)
		switch {
		case line.calm.Load():
			through.ServeHTTP(w, r)
		case n%5 == 0:
			line.lost.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		case n%7 == 0:
			line.unheard.Add(1)
			through.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	line.url = server.URL
	return line
}
