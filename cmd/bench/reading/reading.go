// Package reading is the benchmarks of whoever reads: queries over PromQL beside Prometheus,
// dashboards beside SQL, what readers cost those who write, subscriptions and the console.
package reading

import (
	"context"
	"fmt"

	"laminar/cmd/bench/harness"
)

// Measure measures queries over PromQL beside Prometheus, over the same samples, and a
// dashboard over result tables beside SQL.
func Measure(ctx context.Context, b *harness.Bench) error {
	r, err := newReadWork(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	for _, measure := range []func(context.Context) error{r.sealedRange, r.dashboards, r.hotInstant, r.lookups} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	if err := r.stop(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context, *harness.Bench) error{ingestBesideQueriers, followers, console} {
		if err := measure(ctx, b); err != nil {
			return err
		}
	}
	return readingTargets(b)
}

// readingTargets compares the figures with the targets of scenario 11.
func readingTargets(b *harness.Bench) error {
	who := func(figure string) (ours, theirs string) {
		return fmt.Sprintf(figure, "Laminar"), fmt.Sprintf(figure, "Prometheus")
	}
	if err := b.Report.AtMost(Number, "query_range answered from a flow over Prometheus", readFlow, fmt.Sprintf(readRange, "Prometheus"), 0.02); err != nil {
		return err
	}
	for _, t := range []struct {
		claim, figure string
		bound         float64
	}{
		{"query_range from sealed samples over Prometheus", readRange, 1},
		{"instant rate from hot samples over Prometheus", readHot, 1},
		{"label_values over Prometheus", readValues, 2},
		{"series over Prometheus", readSeries, 2},
	} {
		ours, theirs := who(t.figure)
		if err := b.Report.AtMost(Number, t.claim, ours, theirs, t.bound); err != nil {
			return err
		}
	}
	if err := b.Report.AtMost(Number, "dashboard on flows over SQL", dashboardAPI, dashboardSQL, 1.5); err != nil {
		return err
	}
	if err := b.Report.AtLeast(Number, "ingest beside 8 queriers over ingest alone", ingestBeside, ingestAlone, 0.9); err != nil {
		return err
	}
	for _, t := range []struct {
		claim, figure string
		bound         float64
	}{
		{"subscription: from commit to client, p99", followMost, 50},
		{"subscription: memory per client", followMemory, 64},
		{fmt.Sprintf("console: time of the server for the first page, %d flows", b.Plan.ConsoleFlows), consoleTime, 300},
		{fmt.Sprintf("console: bytes of the first page, %d flows", b.Plan.ConsoleFlows), consoleBytes, 120},
	} {
		if err := b.Report.Below(Number, t.claim, t.figure, t.bound); err != nil {
			return err
		}
	}
	return nil
}
