package main

import (
	"context"
	"fmt"
)

// memory measures what Laminar keeps in memory: Go memory in use after a
// garbage collection, as a difference between two moments of one process, so
// that what every process has does not count.
func (b *bench) memory(ctx context.Context) error {
	for _, part := range []func(context.Context) error{b.memoryIngest, b.memoryCounter, b.memorySimple} {
		if err := part(ctx); err != nil {
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
		if err := b.report.Below(7, t.claim, t.figure, t.bound); err != nil {
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
func (b *bench) memoryIngest(ctx context.Context) error {
	r, err := b.newRig(ctx, "memory_ingest", nodeSeries(500, scrapeInterval), 1, 10)
	if err != nil {
		return err
	}
	defer r.close()
	before, err := r.laminar.heap(ctx)
	if err != nil {
		return err
	}
	r.scrapes.series = nodeSeries(b.plan.memorySeries, scrapeInterval)
	if err := r.store(ctx, 2); err != nil {
		return err
	}
	after, err := r.laminar.heap(ctx)
	if err != nil {
		return err
	}
	b.add(7, memoryPerSeries, "B", (after-before)/float64(b.plan.memorySeries-500))
	return r.stop(ctx)
}

// memoryCounter keeps an hour of counter state, in panes of a minute.
func (b *bench) memoryCounter(ctx context.Context) error {
	const panes = 60
	series := requestSeries(b.plan.counterSeries)
	flow := fmt.Sprintf(`flows:
  - name: memory_counter
    promql: sum by (job) (rate(http_requests_total[1h]))
    every: 1m
    watermark_delay: 0s
    trigger: {samples: %d}
`, series.len())
	grown, err := b.stateMemory(ctx, series, panes*perMinute, flow)
	if err != nil {
		return err
	}
	b.add(7, memoryPerPane, "B", grown/float64(series.len()*panes))
	return nil
}

// memorySimple keeps a hundred panes of a thousand groups of one series.
func (b *bench) memorySimple(ctx context.Context) error {
	series := metricSeries(b.plan.simpleGroups, 1, "http_requests_total")
	flow := fmt.Sprintf(`flows:
  - name: memory_simple
    promql: sum by (instance) (sum_over_time(http_requests_total[100m]))
    every: 1m
    watermark_delay: 0s
    trigger: {samples: %d}
`, series.len())
	grown, err := b.stateMemory(ctx, series, 100*perMinute, flow)
	if err != nil {
		return err
	}
	b.add(7, memorySimple, "MB", grown*100_000/float64(b.plan.simpleGroups*100)/1e6)
	return nil
}

// stateMemory stores history, applies a flow, sends one more scrape so that its
// state is built, and returns by how many bytes that made memory grow.
func (b *bench) stateMemory(ctx context.Context, series *fleetSeries, history int64, flow string) (grown float64, err error) {
	r, err := b.newRig(ctx, "memory_state", series, history, 2*perMinute)
	if err != nil {
		return 0, err
	}
	defer r.close()
	before, err := r.laminar.heap(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.laminar.apply(ctx, flow); err != nil {
		return 0, err
	}
	if _, err := r.laminar.awaitFlows(ctx); err != nil {
		return 0, err
	}
	if _, err := r.round(ctx); err != nil {
		return 0, err
	}
	state, err := r.laminar.metrics(ctx)
	if err != nil {
		return 0, err
	}
	if state["laminar_flow_state_bytes"] == 0 {
		return 0, fmt.Errorf("the flow keeps no state: there is nothing to measure")
	}
	after, err := r.laminar.heap(ctx)
	if err != nil {
		return 0, err
	}
	return after - before, r.stop(ctx)
}
