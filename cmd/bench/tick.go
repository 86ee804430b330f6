package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// tick measures what one more scrape of many series costs: Laminar's round, the
// statement of a cron job, and Prometheus's own evaluation of the rule.
//
// A flow's trigger counts samples, so that exactly one round follows a scrape
// and begins when all of it has landed; emit is close and the watermark has no
// delay, so that this round computes the same one window as the peers do. Its
// duration is that of Laminar's own metric of rounds: from before the snapshot
// until after the commit.
func tick(ctx context.Context, t *tickWork) error {
	for _, span := range []string{"5m", "1h"} {
		if err := t.measure(ctx, span); err != nil {
			return err
		}
	}
	if err := tickStored(ctx, t.b); err != nil {
		return err
	}
	return tickTargets(t.b)
}

// Names of figures of scenario 3. A %s stands for the range.
const (
	tickLaminar    = "Laminar: sum by (job) (rate(m[%s]))"
	tickPrometheus = "Prometheus: instant query of sum by (job) (rate(m[%s]))"
	tickCronRate   = "cron: per series max - min, summed by job, last 5 min"
	tickCronSum    = "cron: sum and count of values by job, last 5 min"
)

// tickTargets compares the figures with target 3.
func tickTargets(b *harness.Bench) error {
	r := b.Report
	five, hour := fmt.Sprintf(tickLaminar, "5m"), fmt.Sprintf(tickLaminar, "1h")
	for _, t := range []struct {
		claim, figure, over string
		bound               float64
	}{
		{"tick [5m] over cron, the rate by hand", five, tickCronRate, 0.1},
		{"tick [5m] over cron, plain sums", five, tickCronSum, 0.1},
		{"tick [5m] over Prometheus's evaluation", five, fmt.Sprintf(tickPrometheus, "5m"), 0.5},
		{"tick [1h] over Prometheus's evaluation", hour, fmt.Sprintf(tickPrometheus, "1h"), 0.1},
		{"tick [1h] over tick [5m]", hour, five, 1.3},
		{"tick with 100 times the samples stored", tickManyStored, tickFewStored, 1.1},
	} {
		if err := r.AtMost(3, t.claim, t.figure, t.over, t.bound); err != nil {
			return err
		}
	}
	return nil
}

// measure measures the ticks of a range: the rounds after scrapes that complete a
// minute, and with it a window.
func (t *tickWork) measure(ctx context.Context, span string) error {
	if span == "1h" {
		if err := t.fill(ctx, t.b.Plan.TickHour); err != nil {
			return err
		}
	}
	if err := t.store(ctx, workload.PerMinute-1); err != nil {
		return err
	}
	if err := t.laminar.Apply(ctx, lab.TickFlow(span, time.Minute, t.scrapes.Series.Len())); err != nil {
		return err
	}
	if _, err := t.laminar.AwaitFlows(ctx); err != nil {
		return err
	}
	if _, err := t.round(ctx); err != nil { // builds the state
		return err
	}
	for range t.b.Plan.Rounds {
		var ticks []float64
		for range harness.TicksPerRound {
			var took time.Duration
			for range workload.PerMinute {
				var err error
				if took, err = t.round(ctx); err != nil {
					return err
				}
			}
			ticks = append(ticks, harness.MS(took))
		}
		t.b.Add(3, fmt.Sprintf(tickLaminar, span), "ms", report.Median(ticks))
		if err := t.peers(ctx, span); err != nil {
			return err
		}
	}
	return t.laminar.DeleteFlow(ctx, "tick_"+span)
}

// peers measures the last window in the peers and checks that Laminar and
// Prometheus computed the same.
func (t *tickWork) peers(ctx context.Context, span string) error {
	end := t.scrapes.Time(t.next - 1)
	began := time.Now()
	byJob, err := t.prom.Query(ctx, "sum by (job) (rate(http_requests_total["+span+"]))", end)
	if err != nil {
		return err
	}
	t.b.Add(3, fmt.Sprintf(tickPrometheus, span), "ms", harness.MS(time.Since(began)))
	if err := t.compare(ctx, "flow.tick_"+span, end, byJob); err != nil {
		return err
	}
	if span != "5m" {
		return nil
	}
	start := end.Add(-5 * time.Minute)
	took, err := t.rows.Timed(ctx, `insert into cron_rate
select r.bucket, d.job, sum(r.increase) / 300 from (
	select date_bin('5 minutes', ts, $1::timestamptz + interval '1 ms') as bucket, series, max(value) - min(value) as increase
	from sample where ts > $1 and ts <= $2 group by 1, 2
) r join series d on d.id = r.series group by 1, 2
on conflict (bucket, job) do update set value = excluded.value`, start, end)
	if err != nil {
		return err
	}
	t.b.Add(3, tickCronRate, "ms", harness.MS(took))
	took, err = t.rows.Timed(ctx, `insert into cron_sum
select date_bin('5 minutes', s.ts, $1::timestamptz + interval '1 ms'), d.job, sum(s.value), count(*)
from sample s join series d on d.id = s.series where s.ts > $1 and s.ts <= $2 group by 1, 2
on conflict (bucket, job) do update set total = excluded.total, samples = excluded.samples`, start, end)
	if err != nil {
		return err
	}
	t.b.Add(3, tickCronSum, "ms", harness.MS(took))
	return nil
}
