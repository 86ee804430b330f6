// Package growth is the benchmarks of how figures grow with series, flows, rules and stored
// samples. For each size it starts a Laminar on a database of its own, without peers.
package growth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// growth is a part of bench-scale.
type growth struct {
	name string
	run  func(context.Context, *harness.Bench) error
}

// growths are the parts of bench-scale, one for each quantity that figures may grow
// with.
var growths = []growth{
	{"series", func(ctx context.Context, b *harness.Bench) error {
		return eachSize(ctx, b, b.Plan.Scale.Series, growSeries)
	}},
	{"flows", func(ctx context.Context, b *harness.Bench) error {
		return eachSize(ctx, b, b.Plan.Scale.Flows, growFlows)
	}},
	{"stored", growStored},
	{"active", manyActive},
	{"rules", manyRules},
}

// Measure measures how figures grow, by the parts that only names, with commas
// between, or by all.
func Measure(ctx context.Context, b *harness.Bench, only string) error {
	var chosen []string
	if only != "" {
		chosen = strings.Split(only, ",")
	}
	for _, name := range chosen {
		if !slices.ContainsFunc(growths, func(g growth) bool { return g.name == name }) {
			return fmt.Errorf("there is no growth with %q", name)
		}
	}
	for _, g := range growths {
		if chosen != nil && !slices.Contains(chosen, g.name) {
			continue
		}
		if err := g.run(ctx, b); err != nil {
			return fmt.Errorf("growth with %s: %w", g.name, err)
		}
	}
	return nil
}

// eachSize measures one growth at each of its sizes.
func eachSize(ctx context.Context, b *harness.Bench, sizes []int, measure func(context.Context, *harness.Bench, int) error) error {
	for _, n := range sizes {
		if err := measure(ctx, b, n); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}

// Names of the figures that may grow.
const (
	ingestBySeries  = "acknowledged ingest, by active series"
	tickBySeries    = "tick of sum by (job) (rate(m[5m])) after one more scrape, by its series"
	perSeriesTick   = "the same tick per series of the scrape"
	memoryBySeries  = "heap per active series in ingest"
	roundByFlows    = "round of all flows after one more scrape of 10,000 series, by flows over it"
	roundByIdle     = "the same round for one flow, by flows over other metrics beside it"
	tickByStored    = "tick of sum by (job) (rate(m[5m])) over 100,000 series, by samples stored"
	growFlowsSeries = 10_000
)

// Names of figures of many active series, to which the kind of flows is added.
const (
	scaleResident = "Laminar: resident memory, "
	scaleHeap     = "Laminar: Go heap in use after a collection, "
	scaleRounds   = "Laminar: round after one more scrape, "
)

// growSeries measures ingest, memory and a tick over n active series.
func growSeries(ctx context.Context, b *harness.Bench, n int) error {
	l, err := b.Lab.NewLaminar(ctx, "grow", "")
	if err != nil {
		return err
	}
	defer l.Kill()
	snd := workload.NewSender(l.WriteURL(), b.Plan.Shards)
	defer snd.Close()
	base, err := l.Heap(ctx)
	if err != nil {
		return err
	}
	s := workload.Scrapes{Series: workload.NodeSeries(n, workload.IngestInterval), Start: workload.IngestStart(), Interval: workload.IngestInterval}
	if _, err := snd.Send(ctx, s.Prepare(0, 1, b.Plan.Shards)); err != nil {
		return err
	}
	rest := s.Prepare(1, 1+max(2, int64(b.Plan.IngestSamples/n)), b.Plan.Shards)
	took, err := snd.Send(ctx, rest)
	if err != nil {
		return err
	}
	heap, err := l.Heap(ctx)
	if err != nil {
		return err
	}
	b.Grow(ingestBySeries, "series", "samples/s", float64(n), float64(rest.Samples)/took.Seconds())
	b.Grow(memoryBySeries, "series", "B", float64(n), (heap-base)/float64(n))
	if err := l.Remove(ctx); err != nil {
		return err
	}
	r, err := b.Lab.NewRig(ctx, "grow", b.Plan.Connections, workload.RequestSeries(n), 5*workload.PerMinute, int64(b.Plan.Rounds+2)*workload.PerMinute)
	if err != nil {
		return err
	}
	defer r.Close()
	took1, err := medianMinute(ctx, b, r, lab.TickFlow("5m", time.Minute, n), b.Plan.Rounds)
	if err != nil {
		return err
	}
	b.Grow(tickBySeries, "series", "ms", float64(n), took1)
	b.Grow(perSeriesTick, "series", "us", float64(n), took1*1000/float64(n))
	return r.Stop(ctx)
}

// medianMinute applies flows, builds their state, and returns the median, in ms,
// of so many ticks that close a window.
func medianMinute(ctx context.Context, b *harness.Bench, r *lab.Rig, flows string, ticks int) (float64, error) {
	if err := r.Store(ctx, workload.PerMinute-1); err != nil {
		return 0, err
	}
	if err := r.Laminar.Apply(ctx, flows); err != nil {
		return 0, err
	}
	if _, err := r.Round(ctx); err != nil {
		return 0, err
	}
	var took []float64
	for range ticks {
		d, err := r.Minute(ctx)
		if err != nil {
			return 0, err
		}
		took = append(took, harness.MS(d))
	}
	return report.Median(took), nil
}

// growFlows measures the rounds that follow a scrape, with n flows over it, and
// with one flow over it and n-1 that have nothing to do.
func growFlows(ctx context.Context, b *harness.Bench, n int) error {
	for _, idle := range []bool{false, true} {
		r, err := b.Lab.NewRig(ctx, "grow", b.Plan.Connections, workload.RequestSeries(growFlowsSeries), 5*workload.PerMinute, int64(b.Plan.Rounds+2)*workload.PerMinute)
		if err != nil {
			return err
		}
		defer r.Close()
		var flows strings.Builder
		flows.WriteString("flows:\n")
		for i := range n {
			metric := "http_requests_total"
			if idle && i > 0 {
				metric = fmt.Sprintf("other_%d_total", i)
			}
			fmt.Fprintf(&flows, "  - {name: grow_%d, promql: 'sum by (job) (increase(%s{path!=\"/%d\"}[5m]))', every: 1m, emit: close, watermark_delay: 0s, trigger: {samples: %d}}\n",
				i, metric, i, growFlowsSeries)
		}
		if idle {
			// Flows that no sample reaches store their positions now and then only.
			r.Watch = []string{"grow_0"}
		}
		took, err := medianMinute(ctx, b, r, flows.String(), b.Plan.Rounds)
		if err != nil {
			return err
		}
		name := roundByFlows
		if idle {
			name = roundByIdle
		}
		b.Grow(name, "flows", "ms", float64(n), took)
		if err := r.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// growStored measures the same tick beside longer and longer histories.
func growStored(ctx context.Context, b *harness.Bench) error {
	n := b.Plan.TickSeries
	ticks := b.Plan.Rounds * harness.TicksPerRound // many, because the bound is narrow
	for _, stored := range b.Plan.Scale.Stored {
		history := max(5*workload.PerMinute, int64(stored/n))
		r, err := b.Lab.NewRig(ctx, "grow", b.Plan.Connections, workload.RequestSeries(n), history, int64(ticks+2)*workload.PerMinute)
		if err != nil {
			return err
		}
		defer r.Close()
		took, err := medianMinute(ctx, b, r, lab.TickFlow("5m", time.Minute, n), ticks)
		if err != nil {
			return err
		}
		halfway := history + 1 + int64(ticks/2+1)*workload.PerMinute // the number of scrapes in the middle of the ticks
		b.Grow(tickByStored, "samples", "ms", float64(halfway)*float64(n), took)
		if err := r.Stop(ctx); err != nil {
			return err
		}
	}
	points := b.Grown(tickByStored).Points
	few, many := points[0], points[len(points)-1]
	b.Report.Targets = append(b.Report.Targets, report.Target{
		Number: 3, Claim: fmt.Sprintf("tick with %s samples stored over %s", report.Count(many.Size), report.Count(few.Size)),
		AtMost: true, Bound: 1.1, Unit: "x", Values: []float64{many.Value / few.Value},
	})
	return nil
}

// tenFlows is ten flows: three keep counters of every series, three keep numbers
// of every series, and four keep state of groups only.
var tenFlows = []string{
	"sum by (job) (rate(%s[5m]))", "sum by (path) (rate(%s[5m]))",
	"sum by (job) (increase(%s[2m]))", "max by (job) (max_over_time(%s[2m]))",
	"min by (job) (min_over_time(%s[2m]))", "sum by (job) (sum_over_time(%s[2m]))",
	"count by (job) (count_over_time(%s[5m]))", "avg by (path) (avg_over_time(%s[2m]))",
	"sum by (instance) (sum_over_time(%s[2m]))", "count by (path) (count_over_time(%s[2m]))",
}

// manyActive measures the memory of a process with a million series: with ten
// flows that read a metric each, a tenth of the series, and with ten flows that
// all read every series.
func manyActive(ctx context.Context, b *harness.Bench) error {
	n := b.Plan.Scale.Active
	metrics := make([]string, len(tenFlows))
	for i := range metrics {
		metrics[i] = fmt.Sprintf("http_requests_%d_total", i)
	}
	err := activeSeries(ctx, b, workload.MetricSeries(n, 100, metrics...), "ten flows over a tenth each", func(flow int) string { return metrics[flow] })
	if err != nil {
		return err
	}
	return activeSeries(ctx, b, workload.RequestSeries(n), "ten flows over all", func(int) string { return "http_requests_total" })
}

// activeSeries is manyActive for one kind of flows; metric names the metric that
// a flow reads.
func activeSeries(ctx context.Context, b *harness.Bench, series *workload.Series, kind string, metric func(flow int) string) error {
	r, err := b.Lab.NewRig(ctx, "active", b.Plan.Connections, series, 0, 8*workload.PerMinute)
	if err != nil {
		return err
	}
	defer r.Close()
	var flows strings.Builder
	flows.WriteString("flows:\n")
	for i, promql := range tenFlows {
		fmt.Fprintf(&flows, "  - {name: active_%d, promql: '%s', every: 1m, watermark_delay: 0s}\n", i, fmt.Sprintf(promql, metric(i)))
	}
	if err := r.Laminar.Apply(ctx, flows.String()); err != nil {
		return err
	}
	_, before, err := r.Laminar.Rounds(ctx)
	if err != nil {
		return err
	}
	most := 0.0
	for range 6 * workload.PerMinute {
		if err := r.Store(ctx, 1); err != nil {
			return err
		}
		m, err := r.Laminar.Metrics(ctx)
		if err != nil {
			return err
		}
		most = max(most, m["process_resident_memory_bytes"])
		if _, err := r.Laminar.AwaitFlows(ctx); err != nil {
			return err
		}
		took, err := r.Laminar.WorkedSince(ctx, before)
		if err != nil {
			return err
		}
		before += took
		b.Add(7, scaleRounds+kind, "ms", harness.MS(took))
	}
	m, err := r.Laminar.Metrics(ctx)
	if err != nil {
		return err
	}
	b.Add(7, scaleResident+kind, "GB", max(most, m["process_resident_memory_bytes"])/1e9)
	heap, err := r.Laminar.Heap(ctx)
	if err != nil {
		return err
	}
	b.Add(7, scaleHeap+kind, "GB", heap/1e9)
	if err := r.Stop(ctx); err != nil {
		return err
	}
	claim := fmt.Sprintf("all of %s active series and %s, resident", report.Count(float64(series.Len())), kind)
	return b.Report.Below(7, claim, scaleResident+kind, 2)
}
