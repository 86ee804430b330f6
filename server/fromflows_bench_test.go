package server_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"

	"laminar/query"
	"laminar/sequence/series"
	"laminar/server"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// BenchmarkFromFlows evaluates `sum by (job) (rate(m[5m]))` over six hours, a step a minute,
// over sealed samples of every 15 s, from a flow and from raw samples. Of how many series,
// LAMINAR_BENCH_SERIES says.
func BenchmarkFromFlows(b *testing.B) {
	count := 1000
	if text := os.Getenv("LAMINAR_BENCH_SERIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		count = n
	}
	a := newAnswering(b)
	a.Apply(sqltest.Define(b, "flows: [{name: 'job:m:rate5m', promql: 'sum by (job) (rate(m[5m]))', every: 1m}]")...)
	end := time.Now().Add(-time.Minute).UnixMilli() / minuteMs * minuteMs
	begin := end - 6*60*minuteMs
	a.fleet = a.fleet[:0]
	for i := range count {
		var labels []series.RawLabel
		for _, l := range [][2]string{{"__name__", "m"}, {"instance", fmt.Sprint("i", i)}, {"job", fmt.Sprint("job", i%20)}} {
			labels = append(labels, series.RawLabel{Name: []byte(l[0]), Value: []byte(l[1])})
		}
		a.fleet = append(a.fleet, &sending{labels: labels, count: true, last: begin - 10*minuteMs})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for at := begin - 5*minuteMs; at <= end+minuteMs; at += 5 * minuteMs {
		a.send(a.advance(rng, at))
	}
	for deadline := time.Now().Add(10 * time.Minute); sqltest.ScanOne[int64](a.RawDB, "select coalesce(max(emitted_until), 0) from flow where name = 'job:m:rate5m'") < end; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the flow has not come to the end")
		}
	}
	if _, err := a.Store.Keeper.Seal(b.Context(), raw.SealOptions{Force: true}); err != nil {
		b.Fatal(err)
	}
	a.Exec("vacuum analyze")
	q := query.New(query.Config{
		Timeout: 10 * time.Minute, MaxSamples: 100_000_000, MaxConcurrent: 2, MaxMemory: 4 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: server.QueryStore{Readers: a.readers}, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	for _, use := range []query.FlowUse{query.FlowsAuto, query.FlowsOff} {
		b.Run(string(use), func(b *testing.B) {
			for b.Loop() {
				s := q.Session()
				s.FromFlows(use)
				qry, err := s.Range(b.Context(), promql.NewPrometheusQueryOpts(false, 0), "sum by (job) (rate(m[5m]))", time.UnixMilli(begin), time.UnixMilli(end), time.Minute)
				if err != nil {
					b.Fatal(err)
				}
				res := qry.Exec(b.Context())
				if n, _ := s.Answered(); res.Err != nil || use == query.FlowsAuto && n.FromFlows < n.Steps*9/10 || use == query.FlowsOff && n.Steps > 0 {
					b.Fatal(res.Err, n)
				} else if use == query.FlowsAuto {
					b.ReportMetric(float64(n.FromFlows)/float64(n.Steps), "from-flows")
				}
				qry.Close()
				s.Close()
			}
		})
	}
}
