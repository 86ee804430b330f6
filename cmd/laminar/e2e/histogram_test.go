package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/promql"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
)

const nativeFlows = `
flows:
  - {name: latency:p90, promql: 'histogram_quantile(0.9, sum by (job) (rate(latency[5m])))', every: 1m}
  - {name: latency:count, promql: 'histogram_count(sum by (job) (increase(latency[2m])))', every: 1m}
  - {name: latency:fast, promql: 'histogram_fraction(0, 0.5, rate(latency[3m] offset 1m))', every: 30s}
  - {name: latency:avg, promql: 'histogram_avg(latency)', every: 1m}
  - {name: latency:rate, promql: 'sum by (job) (rate(latency[2m]))', every: 1m}
  - {name: latency:series, promql: 'count by (job) (latency)', every: 1m}
  - {name: load:max, promql: 'max by (job) (max_over_time(load[2m]))', every: 1m}
`

// nativeSender makes histograms of some series and sends them by both versions
// of remote write until they are acknowledged.
type nativeSender struct {
	t      *testing.T
	url    string
	rng    *rand.Rand
	series []*nativeSeries
	begun  int // empty histograms there should be
}

// nativeSeries is a series with everything of it that was acknowledged.
type nativeSeries struct {
	labels labels.Labels
	v2     bool
	h      *histogram.Histogram
	float  bool
	start  int64 // its start timestamp, where it has one
	hists  map[int64]*histogram.FloatHistogram
	floats map[int64]float64
}

// begin is an empty histogram of the series' kind, as it is put at a start
// timestamp.
func (x *nativeSeries) begin() *histogram.FloatHistogram {
	return &histogram.FloatHistogram{
		CounterResetHint: histogram.CounterReset,
		Schema:           x.h.Schema, ZeroThreshold: x.h.ZeroThreshold, CustomValues: x.h.CustomValues,
	}
}

// newest is the time of its newest sample, 0 where it has none.
func (x *nativeSeries) newest() (t int64) {
	for at := range x.hists {
		t = max(t, at)
	}
	for at := range x.floats {
		t = max(t, at)
	}
	return t
}

// nativePoint is a sample to be sent: a histogram, or a float.
type nativePoint struct {
	t     int64
	h     *histogram.Histogram // nil for a float
	v     float64
	start int64 // start timestamp, 0 for none
}

func newNativeSender(t *testing.T, url string) *nativeSender {
	t.Helper()
	s := &nativeSender{t: t, url: url, rng: rand.New(rand.NewPCG(11, 12))}
	for i := range 6 {
		h := &histogram.Histogram{Schema: int32(i%3) + 1, ZeroThreshold: 1e-128, PositiveSpans: []histogram.Span{{Offset: -3, Length: 3}, {Offset: 1, Length: 3}}}
		if i%3 == 2 {
			h.Schema, h.ZeroThreshold, h.CustomValues = histogram.CustomBucketsSchema, 0, []float64{0.1, 0.25, 0.5, 1, 2.5, 5}
			h.PositiveSpans = []histogram.Span{{Length: 6}}
		}
		h.PositiveBuckets = make([]int64, 6)
		s.series = append(s.series, &nativeSeries{
			labels: labels.FromStrings("__name__", "latency", "job", fmt.Sprintf("j%d", i/3), "instance", fmt.Sprint(i)),
			v2:     i%2 == 1, float: i%4 == 3, h: h, hists: map[int64]*histogram.FloatHistogram{}, floats: map[int64]float64{},
		})
	}
	return s
}

// next is the histogram of a series at a time: it counts on, or begins anew,
// where the senders of 2.0 say when.
func (s *nativeSender) next(x *nativeSeries, at int64) nativePoint {
	counts := make([]int64, len(x.h.PositiveBuckets))
	last := int64(0)
	for i, d := range x.h.PositiveBuckets {
		last += d
		counts[i] = last
	}
	if x.h.Count == 0 || s.rng.IntN(40) == 0 {
		clear(counts)
		x.h.Count, x.h.Sum = 0, 0
		if x.v2 {
			x.start = at - 1 - s.rng.Int64N(10_000)
		}
	}
	for range s.rng.IntN(30) {
		i := s.rng.IntN(len(counts))
		counts[i]++
		x.h.Count++
		x.h.Sum += float64(i) / 4
	}
	last = 0
	for i, c := range counts {
		x.h.PositiveBuckets[i], last = c-last, c
	}
	return nativePoint{t: at, h: x.h.Copy(), start: x.start}
}

// send delivers points of a series.
func (s *nativeSender) send(x *nativeSeries, points ...nativePoint) {
	s.t.Helper()
	body, kind := s.encode(x, points)
	deadline := time.Now().Add(patience)
	for {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Content-Encoding", "snappy")
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusNoContent {
				break
			}
			if resp.StatusCode/100 == 4 {
				s.t.Fatalf("answered %d %s", resp.StatusCode, text)
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not taken within %s: %v", patience, err)
		}
		time.Sleep(20 * time.Millisecond) // the receiver was killed and comes back
	}
	for _, p := range points {
		if p.start > x.newest() {
			x.hists[p.start] = x.begin()
			s.begun++
		}
		delete(x.hists, p.t)
		delete(x.floats, p.t)
		if p.h != nil {
			x.hists[p.t] = p.h.ToFloat(nil)
		} else {
			x.floats[p.t] = p.v
		}
	}
}

func (s *nativeSender) encode(x *nativeSeries, points []nativePoint) (body []byte, kind string) {
	var err error
	if x.v2 {
		table := writev2.NewSymbolTable()
		var ts writev2.TimeSeries
		x.labels.Range(func(l labels.Label) {
			ts.LabelsRefs = append(ts.LabelsRefs, table.Symbolize(l.Name), table.Symbolize(l.Value))
		})
		for _, p := range points {
			switch {
			case p.h == nil:
				ts.Samples = append(ts.Samples, writev2.Sample{Timestamp: p.t, Value: p.v})
			case x.float:
				ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(p.start, p.t, p.h.ToFloat(nil)))
			default:
				ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(p.start, p.t, p.h))
			}
		}
		req := writev2.Request{Symbols: table.Symbols(), Timeseries: []writev2.TimeSeries{ts}}
		body, err = req.Marshal()
		kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	} else {
		var ts prompb.TimeSeries
		x.labels.Range(func(l labels.Label) { ts.Labels = append(ts.Labels, prompb.Label{Name: l.Name, Value: l.Value}) })
		for _, p := range points {
			if p.h == nil {
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: p.t, Value: p.v})
			} else {
				ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(p.t, p.h))
			}
		}
		req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}
		body, err = req.Marshal()
		kind = "application/x-protobuf"
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return snappy.Encode(nil, body), kind
}

// engineSamples is what was acknowledged, as Prometheus's engine wants it.
func (s *nativeSender) engineSamples() promeval.Samples {
	var out promeval.Samples
	for _, x := range s.series {
		one := promeval.Series{Labels: x.labels}
		for t := range x.floats {
			one.Times = append(one.Times, t)
		}
		slices.Sort(one.Times)
		for _, t := range one.Times {
			one.Values = append(one.Values, x.floats[t])
		}
		for t, h := range x.hists {
			one.Histograms = append(one.Histograms, promql.HPoint{T: t, H: h})
		}
		slices.SortFunc(one.Histograms, func(a, b promql.HPoint) int { return int(a.T - b.T) })
		out = append(out, one)
	}
	return out
}

// TestNativeHistograms sends native histograms of all kinds by both versions of
// remote write, late and overwritten ones and floats among them, some with start
// timestamps, while Laminar is killed and sealed by force. Then every closed
// window of flows over them must be what Prometheus's engine computes from what
// was acknowledged, verify must find nothing, and SQL must read the same counts.
func TestNativeHistograms(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "native.yml")
	writeFile(t, path, nativeFlows)
	in := laminartest.New(t, "--flows", path, "--ingest-start-timestamps", "zero_sample")
	in.Serve()
	s := newNativeSender(t, in.WriteURL())
	load := &nativeSeries{ // of a metric that turns out to hold histograms
		labels: labels.FromStrings("__name__", "load", "job", "j0"), h: s.series[0].h.Copy(),
		hists: map[int64]*histogram.FloatHistogram{}, floats: map[int64]float64{},
	}

	const scrapes, interval = 80, 15 * time.Second
	start := time.Now().Add(-scrapes * interval).Truncate(time.Minute)
	held := map[*nativeSeries][]nativePoint{}
	for i := range scrapes {
		at := start.Add(time.Duration(i+1) * interval).UnixMilli()
		for n, x := range s.series {
			p := s.next(x, at+int64(n))
			switch dice := s.rng.IntN(20); {
			case dice == 0: // late
				held[x] = append(held[x], p)
				continue
			case dice == 1: // a float among them
				p = nativePoint{t: p.t, v: float64(i)}
			case dice == 2 && len(x.hists) > 0: // over an older one
				old := slices.Sorted(func(yield func(int64) bool) {
					for t := range x.hists {
						if !yield(t) {
							return
						}
					}
				})
				s.send(x, p, nativePoint{t: old[s.rng.IntN(len(old))], h: p.h})
				continue
			case dice == 3 && len(held[x]) > 0:
				s.send(x, held[x]...)
				held[x] = nil
			}
			s.send(x, p)
		}
		p := nativePoint{t: at, v: float64(i % 13)}
		if i > scrapes/2 && i%3 == 0 {
			p = s.next(load, at)
		}
		s.send(load, p)
		switch i {
		case scrapes / 4:
			in.Kill()
			in.Serve()
		case scrapes / 3, scrapes * 4 / 5:
			in.Must("seal", "--force")
		case scrapes * 3 / 5:
			in.KillAll()
			in.Serve()
		}
	}
	for x, points := range held {
		if len(points) > 0 {
			s.send(x, points...)
		}
	}
	s.series = append(s.series, load)
	in.Must("flow", "wait", "--timeout", "4m")

	pool := in.Pool()
	requireHistograms(t, pool, s)
	windows := laminartest.RequireTables(t, pool, laminartest.ParseFlows(t, path), s.engineSamples(), start.UnixMilli())
	if s.begun < 4 {
		t.Errorf("only %d series began at a start timestamp", s.begun)
	}
	if windows < 7*15 {
		t.Errorf("only %d windows were compared", windows)
	}
	if state, stderr, code := verify(t, in); code != laminartest.ExitOK || len(state.Flows) != 7 {
		t.Errorf("verify: exit code %d, %+v\n%s", code, state, stderr)
	}
	if n := count(t, pool, "select count(*) from flow.latency_rate where (histogram).count > 0 and value is null and laminar.prometheus_json(histogram) ? 'buckets'"); n < 15 {
		t.Errorf("only %d results are histograms", n)
	}
	if n := count(t, pool, "select count(*) from information_schema.columns where table_schema = 'flow' and column_name = 'histogram'"); n != 1 {
		t.Errorf("%d tables have a column for histograms", n)
	}
	if show := in.Must("flow", "show", "load:max"); !strings.Contains(show, "native histograms in load") {
		t.Errorf("flow show says nothing of why the flow is computed whole:\n%s", show)
	}
	in.Must("refill", "latency:count", "--from", "-30m", "--to", "now")
	laminartest.RequireTables(t, pool, laminartest.ParseFlows(t, path), s.engineSamples(), start.UnixMilli())
}

// requireHistograms holds the view against what was acknowledged.
func requireHistograms(t *testing.T, pool *pgxpool.Pool, s *nativeSender) {
	t.Helper()
	want := map[string]*histogram.FloatHistogram{}
	key := func(metric, instance string, at int64) string { return fmt.Sprint(metric, " ", instance, " ", at) }
	for _, x := range s.series {
		for at, h := range x.hists {
			want[key(x.labels.Get("__name__"), x.labels.Get("instance"), at)] = h
		}
	}
	rows, err := pool.Query(context.Background(), `select metric, coalesce(labels->>'instance', ''), (extract(epoch from ts) * 1000)::bigint,
			(histogram->>'count')::float8, (histogram->>'sum')::float8,
			(select coalesce(sum((b->>2)::float8), 0) from jsonb_array_elements(histogram->'buckets') b)
		from laminar.histogram_sample`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var metric, instance string
		var at int64
		var count, sum, buckets float64
		if err := rows.Scan(&metric, &instance, &at, &count, &sum, &buckets); err != nil {
			t.Fatal(err)
		}
		n++
		h := want[key(metric, instance, at)]
		if h == nil || count != h.Count || sum != h.Sum || !partialtest.Close(buckets, h.Count, 1e-9) {
			t.Errorf("%s of %s at %d: %v observations, %v in buckets, sum %v; want %v", metric, instance, at, count, buckets, sum, h)
		}
	}
	if err := rows.Err(); err != nil || n != len(want) {
		t.Errorf("%d histograms in the view, want %d, %v", n, len(want), err)
	}
	floats := 0
	for _, x := range s.series {
		floats += len(x.floats)
	}
	if n := count(t, pool, "select count(*) from laminar.sample where metric in ('latency', 'load')"); n != floats {
		t.Errorf("%d floats in the view, want %d", n, floats)
	}
}
