package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// threeFlows aggregate every sample in three ways, with windows of a minute
// that slide by ten seconds and the default trigger.
const threeFlows = `flows:
  - name: three_rate
    promql: sum by (job) (rate({__name__=~"node_.+"}[1m]))
    every: 10s
  - name: three_max
    promql: max by (instance) (max_over_time({__name__=~"node_.+"}[1m]))
    every: 10s
  - name: three_count
    promql: count by (device) (count_over_time({__name__=~"node_.+"}[1m]))
    every: 10s
`

// Names of figures of scenario 2, to which ", N series" is added.
const (
	withoutFlows = "Laminar without flows"
	withFlows    = "Laminar with three flows"
	flowsLag     = "oldest commit not in the tables, median"
	flowsLagMost = "oldest commit not in the tables, at most"
	flowsSettle  = "from the last acknowledgement until the tables show all"
)

// ingestWithFlows measures the rate of ingest with three flows and without, and how
// far the flows are behind meanwhile.
func ingestWithFlows(ctx context.Context, b *harness.Bench) error {
	for _, n := range b.Plan.IngestSeries {
		s := workload.Scrapes{Series: workload.NodeSeries(n, workload.IngestInterval), Start: workload.IngestStart(), Interval: workload.IngestInterval}
		last := 1 + int64(b.Plan.FlowSamples/n)
		w := &ingestWork{
			label: report.Count(float64(n)) + " series", series: s.Series,
			warm: s.Prepare(0, 1, b.Plan.Shards), load: s.Prepare(1, last, b.Plan.Shards),
		}
		for round := range b.Plan.Rounds {
			for i := range 2 {
				if err := ingestFlows(ctx, b, w, (i+round)%2 == 1); err != nil {
					return err
				}
			}
		}
		if err := b.Report.AtLeast(2, "with three flows over without, "+w.label, withFlows+", "+w.label, withoutFlows+", "+w.label, 0.8); err != nil {
			return err
		}
		if err := b.Report.Below(2, "lag while taking in, "+w.label, flowsLagMost+", "+w.label, 2); err != nil {
			return err
		}
	}
	return nil
}

// ingestFlows measures one of the two: with flows, if they are to follow.
func ingestFlows(ctx context.Context, b *harness.Bench, w *ingestWork, follow bool) error {
	flows, name := "", withoutFlows
	if follow {
		flows, name = threeFlows, withFlows
	}
	l, err := b.Lab.NewLaminar(ctx, "flows", flows)
	if err != nil {
		return err
	}
	defer l.Kill()
	snd := workload.NewSender(l.WriteURL(), b.Plan.Shards)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.warm); err != nil {
		return err
	}
	if _, err := l.AwaitFlows(ctx); err != nil { // so that they know all series
		return err
	}
	if err := l.DB.Checkpoint(ctx); err != nil {
		return err
	}
	var lags []float64
	sampling, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		lags, err = sampleLag(sampling, l.DB.URL)
		ended <- err
	}()
	took, err := snd.Send(ctx, w.load)
	acknowledged := time.Now()
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	shown, err := l.AwaitFlows(ctx)
	if err != nil {
		return err
	}
	if err := lab.CheckTaken(ctx, l, w.warm.Samples+w.load.Samples); err != nil {
		return err
	}
	b.Add(2, name+", "+w.label, "samples/s", float64(w.load.Samples)/took.Seconds())
	if follow {
		_, most := report.Spread(lags)
		b.Add(2, flowsLag+", "+w.label, "s", report.Median(lags))
		b.Add(2, flowsLagMost+", "+w.label, "s", most)
		b.Add(2, flowsSettle+", "+w.label, "s", shown.Sub(acknowledged).Seconds())
	}
	return l.Remove(ctx)
}

// lagQuery gives the age in seconds of the oldest commit that some flow's table
// does not show, 0 when all tables show everything.
const lagQuery = `select coalesce(max(extract(epoch from clock_timestamp() - c.committed_at)), 0)::float8
from laminar.flow f cross join laminar.region r
join laminar.flush c on c.region = r.id and c.seq = coalesce((f.vector->>(r.id::text))::bigint, 0) + 1`

// sampleLag asks for the lag ten times a second until ctx ends.
func sampleLag(ctx context.Context, url string) (lags []float64, err error) {
	background := context.WithoutCancel(ctx)
	conn, err := pgx.Connect(background, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(background)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		var lag float64
		if err := conn.QueryRow(background, lagQuery).Scan(&lag); err != nil {
			return nil, err
		}
		lags = append(lags, lag)
		select {
		case <-ctx.Done():
			return lags, nil
		case <-ticker.C:
		}
	}
}
