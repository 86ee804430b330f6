package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode"
	"laminar/flownode/partial/partialtest"
	"laminar/ingest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/server"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// answering is an installation in one process with flows over a small fleet, whose samples
// of the last two hours are there and which goes on sending.
type answering struct {
	*sqltest.RawDB
	t       testing.TB
	ing     *ingest.Ingester
	table   *registry.Spellings
	readers *sqlstore.Readers
	fleet   []*sending
	began   int64 // ms: when the history begins
}

// sending is a series with the newest of its samples.
type sending struct {
	labels []series.RawLabel
	count  bool // it is a counter
	last   int64
	value  float64
}

const answeringFlows = `
flows:
  - {name: 'job:requests:rate5m', promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m, backfill: all}
  - {name: 'job:errors:ratio', promql: 'sum by (job) (rate(requests_total{code="500"}[5m])) / sum by (job) (rate(requests_total[5m]))', every: 1m, backfill: all}
  - {name: 'job:temperature:avg', promql: 'avg by (job) (temperature)', every: 30s, backfill: all}
  - {name: 'temperature:max10m', promql: 'max_over_time(temperature[10m])', every: 1m, backfill: all}
  - {name: 'temperature:median', promql: 'quantile_over_time(0.5, temperature[10m])', every: 2m, backfill: all}
  - {name: 'job:le:rate5m', promql: 'sum by (job, le) (rate(latency_bucket[5m]))', every: 1m, backfill: all}
  - {name: 'job:instances', promql: 'count by (job) (temperature)', every: 1m, backfill: all, keep: 1h}
  - {name: 'job:peak', promql: 'max_over_time(sum by (job) (temperature)[10m:1m])', every: 1m, backfill: all}
  - {name: 'requests:ahead', promql: 'sum(increase(requests_total[2m] offset -1m))', every: 1m, backfill: all}
groups:
  - name: rules
    interval: 1m
    rules:
      - {record: 'inst:latency:inc10m', expr: 'sum by (instance, job) (increase(latency_bucket[10m]))', labels: {kind: total}}
`

func newAnswering(t testing.TB) *answering {
	t.Helper()
	a := &answering{RawDB: sqltest.NewRawDB(t, 2), t: t, began: time.Now().Add(-2 * time.Hour).UnixMilli()}
	quiet, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	native, rules, _ := strings.Cut(answeringFlows, "groups:")
	a.Apply(append(sqltest.Define(t, native), sqltest.Define(t, "groups:"+rules)...)...)
	var err error
	if a.readers, err = a.Store.OpenReaders(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	a.ing, err = ingest.New(server.IngestStore{Writer: a.Store.Writer}, ingest.Config{
		Regions: a.Store.Schema.Regions(), Logger: quiet, Registerer: reg, Limits: refusal.Limits{Ahead: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.table = a.ing.NewSpellings(nil)
	node, err := flownode.New(flownode.Config{
		Snapshots: server.NodeStore{Store: a.Store}, Catalog: a.Store.Catalogue, Results: a.Store.Results, Jobs: a.Store.Jobs,
		Elector: a.Store.Members.New(""), PollInterval: 50 * time.Millisecond, Logger: quiet, Metrics: flownode.NewMetrics(reg),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, run := range []func(context.Context) error{a.ing.Run, node.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		a.readers.Close()
	})
	raws := func(text ...string) (out []series.RawLabel) {
		for i := 0; i < len(text); i += 2 {
			out = append(out, series.RawLabel{Name: []byte(text[i]), Value: []byte(text[i+1])})
		}
		return out
	}
	for i := range 12 {
		job, inst := fmt.Sprint("job-", i%3), fmt.Sprint("i", i)
		for _, code := range []string{"200", "500"} {
			a.fleet = append(a.fleet, &sending{labels: raws("__name__", "requests_total", "code", code, "instance", inst, "job", job), count: true})
		}
		a.fleet = append(a.fleet, &sending{labels: raws("__name__", "temperature", "instance", inst, "job", job)})
		for _, le := range []string{"0.1", "1", "+Inf"} {
			a.fleet = append(a.fleet, &sending{labels: raws("__name__", "latency_bucket", "instance", inst, "job", job, "le", le), count: true})
		}
	}
	for _, s := range a.fleet {
		s.last = a.began
	}
	return a
}

// send commits samples of series.
func (a *answering) send(samples map[*sending][]ingest.Sample) {
	if err := sqltest.Answered(a.t.Context(), func() error { return a.trySend(samples) }); err != nil {
		a.t.Error(err)
	}
}

func (a *answering) trySend(samples map[*sending][]ingest.Sample) error {
	in, err := a.ing.Begin(a.t.Context())
	if err != nil {
		return err
	}
	defer in.End()
	in.Received()
	for s, list := range samples {
		key := series.CanonicalLabels(nil, s.labels)
		sp, hash := a.table.Follow(nil, key)
		if sp == nil {
			var refused refusal.Reason
			if sp, refused = in.Resolve(a.table, hash, key, s.labels); refused != "" {
				return fmt.Errorf("a series is refused: %s", refused)
			}
		}
		if err := in.Add(sp, list, nil); err != nil {
			return err
		}
	}
	out, err := in.Commit()
	if err == nil && out.Refused > 0 {
		err = fmt.Errorf("%d samples are refused: %s", out.Refused, out.Why)
	}
	return err
}

// advance is the samples that series have up to a time, one each 15 s.
func (a *answering) advance(rng *rand.Rand, upTo int64) map[*sending][]ingest.Sample {
	out := map[*sending][]ingest.Sample{}
	for _, s := range a.fleet {
		for s.last+15_000 <= upTo {
			s.last += 15_000
			switch {
			case !s.count:
				s.value = math.Round(rng.NormFloat64()*1000) / 8
			case rng.IntN(300) == 0:
				s.value = 0
			default:
				s.value += float64(rng.IntN(50))
			}
			if rng.IntN(50) > 0 {
				out[s] = append(out[s], ingest.Sample{T: s.last, V: s.value})
			}
		}
	}
	return out
}

// late is samples of a time long past, new ones and other values.
func (a *answering) late(rng *rand.Rand) map[*sending][]ingest.Sample {
	out := map[*sending][]ingest.Sample{}
	at := a.began + 15_000*rng.Int64N((a.fleet[0].last-a.began)/15_000)
	for range 1 + rng.IntN(5) {
		s := a.fleet[rng.IntN(len(a.fleet))]
		out[s] = append(out[s], ingest.Sample{T: at + 15_000*rng.Int64N(4) - rng.Int64N(2)*7_000, V: float64(rng.IntN(1000))})
	}
	return out
}

// heldSnapshot is a store whose queries all read one snapshot.
type heldSnapshot struct{ snap query.Snapshot }

type keptOpen struct{ query.Snapshot }

func (keptOpen) End() {}

func (keptOpen) Close(context.Context) error { return nil }

func (h heldSnapshot) Snapshot(context.Context, []string) (query.Snapshot, error) {
	return keptOpen{h.snap}, nil
}

// liveExpressions is expressions over the fleet, most of which have parts that are flows'.
var liveExpressions = []string{
	"sum by (job) (rate(requests_total[5m]))",
	"sum(rate(requests_total[5m])) by (job) * 60",
	"sum(sum by (job) (rate(requests_total[300s])))",
	"topk(1, sum by (job) (rate(requests_total[5m])))",
	"max_over_time(sum by (job) (rate(requests_total[5m]))[20m:1m])",
	"rate(sum by (job) (rate(requests_total[5m]))[10m:2m] offset 3m)",
	"avg_over_time((sum by (job) (rate(requests_total[5m])))[15m:])",
	`sum by (job) (rate(requests_total{code="500"}[5m])) / sum by (job) (rate(requests_total[5m]))`,
	`100 * (sum by (job) (rate(requests_total{code="500"}[5m])) / sum by (job) (rate(requests_total[5m])))`,
	`sum by (job) (rate(requests_total{code="200"}[5m])) / sum by (job) (rate(requests_total[5m]))`,
	"sum by (job) (rate(requests_total[5m])) - sum by (job) (rate(requests_total[5m] offset 30m))",
	"avg by (job) (temperature)",
	"avg by (job) (temperature) - on (job) group_right () temperature",
	"max(avg by (job) (temperature)) - min(avg by (job) (temperature))",
	"stddev_over_time(avg by (job) (temperature)[10m:30s])",
	"absent(avg by (job) (temperature))",
	"timestamp(avg by (job) (temperature))",
	"label_replace(avg by (job) (temperature), \"short\", \"$1\", \"job\", \"job-(.*)\")",
	"max_over_time(temperature[10m])",
	"sum by (job) (max_over_time(temperature[10m]))",
	`max_over_time(temperature[10m]) - temperature`,
	"quantile_over_time(0.5, temperature[10m])",
	"count(quantile_over_time(0.5, temperature[10m])) by (job)",
	"histogram_quantile(0.9, sum by (job, le) (rate(latency_bucket[5m])))",
	"histogram_quantile(0.5, sum by (le) (rate(latency_bucket[5m])))",
	"sum by (le) (sum by (le, job) (rate(latency_bucket[5m])))",
	"count by (job) (temperature)",
	"sum(count by (job) (temperature)) or vector(0)",
	"max_over_time(sum by (job) (temperature)[10m:1m])",
	"sum(increase(requests_total[2m] offset -1m))",
	"sum(increase(requests_total[2m] offset -1m)) / 120 unless on () (vector(1) > 2)",
	"sum by (job, instance) (increase(latency_bucket[10m]))",
	"sum by (instance) (sum by (instance, job) (increase(latency_bucket[10m])))",
	"sum by (job) (rate(requests_total[5m])) + on (job) count by (job) (temperature)",
	`sum by (job) (rate(requests_total{job=~"job-[12]"}[5m]))`,
	"scalar(sum(increase(requests_total[2m] offset -1m))) + avg by (job) (temperature)",
	"sum by (job) (rate(requests_total[5m])) and on (job) avg by (job) (temperature)",
	"clamp_max(sum by (job) (rate(requests_total[5m])), 10)",
	`sum(rate(requests_total[5m])) / count(count by (job) (temperature{job!="job-0"}))`,
	"last_over_time(avg by (job) (temperature)[5m:30s])",
}

// shape is the times of a query, from the end of the history back, ms; no step for an
// instant query.
type shape struct{ from, to, step int64 }

var liveShapes = []shape{
	{90 * minuteMs, 0, minuteMs}, {115 * minuteMs, -5 * minuteMs, 2 * minuteMs}, {20 * minuteMs, 0, 30_000}, {7 * minuteMs, 0, 0}, {60 * minuteMs, 10 * minuteMs, 4 * minuteMs},
}

const minuteMs = int64(60_000)

// TestFromFlowsUnderLoad: two hundred queries give the same from flows and from raw samples,
// in one snapshot each, while samples come, late ones among them, windows are refilled and
// generations are sealed.
func TestFromFlowsUnderLoad(t *testing.T) {
	a := newAnswering(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for at := a.began; at < time.Now().UnixMilli(); at += 10 * minuteMs {
		a.send(a.advance(rng, min(at+10*minuteMs, time.Now().UnixMilli())))
	}
	for deadline := time.Now().Add(5 * time.Minute); sqltest.ScanOne[int64](a.RawDB, "select coalesce(min(coalesce(emitted_until, 0)), 0) from flow") < time.Now().Add(-5*time.Minute).UnixMilli(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the flows have not come to the end of the history")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	every := func(pause time.Duration, do func(*rand.Rand)) {
		own := rand.New(rand.NewPCG(uint64(pause), 7))
		load.Go(func() {
			for ticks := time.NewTicker(pause); ctx.Err() == nil; {
				select {
				case <-ticks.C:
					do(own)
				case <-ctx.Done():
				}
			}
		})
	}
	every(50*time.Millisecond, func(rng *rand.Rand) {
		a.send(a.advance(rng, time.Now().UnixMilli()))
		// As many as the flows keep up with: else all windows would be dirty.
		if rng.IntN(6) == 0 && sqltest.ScanOne[int](a.RawDB, "select count(*) from flow_dirty") < 100 {
			a.send(a.late(rng))
		}
	})
	var seals, refills atomic.Int64
	every(700*time.Millisecond, func(rng *rand.Rand) {
		if _, err := a.Store.Keeper.Seal(ctx, raw.SealOptions{Force: rng.IntN(2) == 0, Wait: time.Second}); err == nil {
			seals.Add(1)
		} else if ctx.Err() == nil && !errors.Is(err, sequence.ErrUnavailable) { // a busy server is tried again
			t.Error(err)
		}
	})
	every(300*time.Millisecond, func(rng *rand.Rand) {
		if sqltest.ScanOne[int](a.RawDB, "select count(*) from job where state in ('queued', 'running')") > 0 {
			return
		}
		from := a.began + rng.Int64N(100)*minuteMs
		name := []string{"job:requests:rate5m", "job:temperature:avg", "temperature:median", "job:peak"}[rng.IntN(4)]
		if _, err := sqltest.CreateRefill(ctx, a.Store.Jobs, name, from, from+(3+rng.Int64N(10))*minuteMs); err == nil {
			refills.Add(1)
		} else if ctx.Err() == nil && !errors.Is(err, sequence.ErrUnavailable) {
			t.Error(err)
		}
	})

	used := map[string]int{}
	var total query.Answered
	queries := 0
	// How much comes of the load in the time of two hundred queries depends on the machine.
	enough := func() bool {
		return queries >= 200 && total.FromFlows >= total.Steps/3 && total.FromFlows < total.Steps && len(used) >= 8 && seals.Load() >= 2 && refills.Load() >= 2
	}
	for deadline := time.Now().Add(5 * time.Minute); !enough() && !t.Failed() && time.Now().Before(deadline); {
		total = query.Answered{}
		for _, expr := range liveExpressions {
			for _, sh := range liveShapes {
				at := time.Now().UnixMilli() / (4 * minuteMs) * 4 * minuteMs // where steps of all flows lie
				got := a.both(expr, at-sh.from, at-sh.to, sh.step, used)
				total.Steps, total.FromFlows = total.Steps+got.Steps, total.FromFlows+got.FromFlows
				queries++
			}
		}
	}
	cancel()
	load.Wait()
	t.Logf("%d queries, in the last pass %d of %d steps from flows %v; %d seals, %d refills", queries, total.FromFlows, total.Steps, used, seals.Load(), refills.Load())
	if !enough() {
		t.Error("the test tests too little")
	}
}

// both evaluates a query from flows and from raw samples in one snapshot, and compares.
func (a *answering) both(expr string, from, to, step int64, used map[string]int) query.Answered {
	a.t.Helper()
	snap, err := a.readers.Catalogue.Stored(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = snap.Close(context.Background()) }()
	q := query.New(query.Config{
		Timeout: time.Minute, MaxSamples: 10_000_000, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: heldSnapshot{snap}, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	type key struct {
		labels string
		t      int64
	}
	values := func(use query.FlowUse) (out map[key]float64, n query.Answered) {
		s := q.Session()
		defer s.Close()
		s.FromFlows(use)
		var qry promql.Query
		var err error
		if step == 0 {
			qry, err = s.Instant(a.t.Context(), nil, expr, time.UnixMilli(from))
		} else {
			qry, err = s.Range(a.t.Context(), nil, expr, time.UnixMilli(from), time.UnixMilli(to), time.Duration(step)*time.Millisecond)
		}
		if err != nil {
			a.t.Fatalf("%s: %v", expr, err)
		}
		defer qry.Close()
		res := qry.Exec(a.t.Context())
		if res.Err != nil {
			a.t.Fatalf("%s: %v", expr, res.Err)
		}
		_, infos := res.Warnings.AsStrings(expr, 0, 0)
		for _, info := range infos {
			if _, rest, is := strings.Cut(info, "answered from flow "); is {
				used[rest[:strings.LastIndex(rest, ": ")]]++
			}
		}
		out = map[key]float64{}
		put := func(lset labels.Labels, t int64, v float64) { out[key{lset.String(), t}] = v }
		switch v := res.Value.(type) {
		case promql.Vector:
			for _, s := range v {
				put(s.Metric, s.T, s.F)
			}
		case promql.Matrix:
			for _, s := range v {
				for _, p := range s.Floats {
					put(s.Metric, p.T, p.F)
				}
			}
		}
		n, _ = s.Answered()
		return out, n
	}
	want, _ := values(query.FlowsOff)
	got, n := values(query.FlowsAuto)
	var different []string
	for k, v := range want {
		if w, ok := got[k]; !ok || !partialtest.Close(w, v, 1e-9*max(1, math.Abs(v))) {
			different = append(different, fmt.Sprintf("%s at %s: %v, from flows %v (%v)", k.labels, sequence.FormatTime(k.t), v, w, ok))
		}
	}
	for k, w := range got {
		if _, ok := want[k]; !ok {
			different = append(different, fmt.Sprintf("%s at %s: nothing, from flows %v", k.labels, sequence.FormatTime(k.t), w))
		}
	}
	if len(different) > 0 {
		slices.Sort(different)
		a.t.Errorf("%s from %s to %s by %d: %d of %d values are different: %s", expr, sequence.FormatTime(from), sequence.FormatTime(to), step, len(different), len(want), strings.Join(different[:min(len(different), 4)], "; "))
	}
	return n
}
