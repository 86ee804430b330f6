package main

import (
	"context"
	"fmt"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/workload"
)

// memory measures what Laminar keeps in memory: by how much the Go memory that is
// in use after a garbage collection grows between two moments of one process. What
// every process has in use does not count.
func memory(ctx context.Context, b *harness.Bench) error {
	for _, part := range []func(context.Context, *harness.Bench) error{memoryIngest, memoryCounter, memorySimpleState} {
		if err := part(ctx, b); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		claim, figure string
		bound         float64
	}{
		{"memory per active series in ingest", memoryPerSeries, 350},
		{"memory per series and pane of counter state", memoryPerPane, 80},
		{"100,000 panes of simple state", memorySimple, 100},
	} {
		if err := b.Report.Below(7, t.claim, t.figure, t.bound); err != nil {
			return err
		}
	}
	return nil
}

// Names of figures of scenario 7.
const (
	memoryPerSeries = "Laminar: per active series in ingest"
	memoryPerPane   = "Laminar: per (series, pane) of counter state, 60 panes of a minute"
	memorySimple    = "Laminar: 100,000 (group, pane) of simple state, their members included"
)

// memoryIngest takes in two scrapes of many series.
func memoryIngest(ctx context.Context, b *harness.Bench) error {
	r, err := b.Lab.NewRig(ctx, "memory_ingest", b.Plan.Connections, workload.NodeSeries(500, workload.ScrapeInterval), 1, 10)
	if err != nil {
		return err
	}
	defer r.Close()
	before, err := r.Laminar.Heap(ctx)
	if err != nil {
		return err
	}
	r.Scrapes.Series = workload.NodeSeries(b.Plan.MemorySeries, workload.ScrapeInterval)
	if err := r.Store(ctx, 2); err != nil {
		return err
	}
	after, err := r.Laminar.Heap(ctx)
	if err != nil {
		return err
	}
	b.Add(7, memoryPerSeries, "B", (after-before)/float64(b.Plan.MemorySeries-500))
	return r.Stop(ctx)
}

// memoryCounter keeps an hour of counter state, in panes of a minute.
func memoryCounter(ctx context.Context, b *harness.Bench) error {
	const panes = 60
	series := workload.RequestSeries(b.Plan.CounterSeries)
	flow := fmt.Sprintf(`flows:
  - name: memory_counter
    promql: sum by (job) (rate(http_requests_total[1h]))
    every: 1m
    watermark_delay: 0s
    trigger: {samples: %d}
`, series.Len())
	grown, err := stateMemory(ctx, b, series, panes*workload.PerMinute, flow)
	if err != nil {
		return err
	}
	b.Add(7, memoryPerPane, "B", grown/float64(series.Len()*panes))
	return nil
}

// memorySimpleState keeps a hundred panes of a thousand groups of one series.
func memorySimpleState(ctx context.Context, b *harness.Bench) error {
	series := workload.MetricSeries(b.Plan.SimpleGroups, 1, "http_requests_total")
	flow := fmt.Sprintf(`flows:
  - name: memory_simple
    promql: sum by (instance) (sum_over_time(http_requests_total[100m]))
    every: 1m
    watermark_delay: 0s
    trigger: {samples: %d}
`, series.Len())
	grown, err := stateMemory(ctx, b, series, 100*workload.PerMinute, flow)
	if err != nil {
		return err
	}
	b.Add(7, memorySimple, "MB", grown*100_000/float64(b.Plan.SimpleGroups*100)/1e6)
	return nil
}

// stateMemory stores scrapes up to the one with the number history, applies a flow
// and sends one more scrape, which builds its state. It returns by how many bytes
// memory has grown with the state.
func stateMemory(ctx context.Context, b *harness.Bench, series *workload.Series, history int64, flow string) (grown float64, err error) {
	r, err := b.Lab.NewRig(ctx, "memory_state", b.Plan.Connections, series, history, 2*workload.PerMinute)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	before, err := r.Laminar.Heap(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.Laminar.Apply(ctx, flow); err != nil {
		return 0, err
	}
	if _, err := r.Laminar.AwaitFlows(ctx); err != nil {
		return 0, err
	}
	if _, err := r.Round(ctx); err != nil {
		return 0, err
	}
	state, err := r.Laminar.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	if state["laminar_flow_state_bytes"] == 0 {
		return 0, fmt.Errorf("the flow keeps no state: there is nothing to measure")
	}
	after, err := r.Laminar.Heap(ctx)
	if err != nil {
		return 0, err
	}
	return after - before, r.Stop(ctx)
}
