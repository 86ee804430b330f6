package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang/snappy"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/prometheus/prompb"
	"golang.org/x/sync/errgroup"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// freshFlow follows every sample. Its rounds begin at least a tenth of a second
// apart: the default of a second would make up most of the figure. The watermark
// has no delay, because a provisional result is written for the earliest open
// window only, and with a delay that is the window before for as long as the delay
// lasts.
const freshFlow = `flows:
  - name: fresh
    promql: max by (job) (max_over_time({__name__=~"node_.+"}[1m]))
    every: 1m
    watermark_delay: 0s
    trigger: {interval: 100ms}
`

// Names of figures of scenario 6.
const (
	freshRate = "rate of the other samples"
	freshP50  = "from acknowledgement to the committed row, p50"
	freshP99  = "from acknowledgement to the committed row, p99"
)

// freshness measures how long after its acknowledgement a sample shows in a
// result row, while others arrive in real time at half the possible rate. Probes
// are samples of a series that is alone in its group, each with a larger value
// than the last. A probe shows when its value is in the table.
func freshness(ctx context.Context, b *harness.Bench) error {
	n := b.Plan.IngestSeries[1]
	half, err := halfRate(ctx, b)
	if err != nil {
		return err
	}
	interval := time.Duration(float64(n) / half * float64(time.Second)).Round(time.Millisecond)
	for range b.Plan.Rounds {
		if err := freshRound(ctx, b, n, interval); err != nil {
			return err
		}
	}
	if err := b.Report.Below(6, "freshness p50", freshP50, 250); err != nil {
		return err
	}
	return b.Report.Below(6, "freshness p99", freshP99, 1000)
}

// halfRate is half the rate of scenario 1 with many series, in samples per
// second; it is measured if it has not been.
func halfRate(ctx context.Context, b *harness.Bench) (float64, error) {
	n := b.Plan.IngestSeries[1]
	label := report.Count(float64(n)) + " series"
	f, err := b.Report.Figure(1, laminarRate+", "+label)
	if err != nil {
		s := workload.Scrapes{Series: workload.NodeSeries(n, workload.IngestInterval), Start: workload.IngestStart(), Interval: workload.IngestInterval}
		w := &ingestWork{
			label: label, series: s.Series, warm: s.Prepare(0, 1, b.Plan.Shards),
			load: s.Prepare(1, 1+int64(b.Plan.IngestSamples/n), b.Plan.Shards),
		}
		if err := ingestLaminar(ctx, b, w); err != nil {
			return 0, err
		}
		if f, err = b.Report.Figure(1, laminarRate+", "+label); err != nil {
			return 0, err
		}
	}
	return report.Median(f.Values) / 2, nil
}

// freshRound sends n series at an interval and probes them.
func freshRound(ctx context.Context, b *harness.Bench, n int, interval time.Duration) error {
	count := max(2, int64(b.Plan.FreshFor/interval))
	s := workload.Scrapes{Series: workload.NodeSeries(n, interval), Start: time.Now(), Interval: interval}
	warm, l := s.Prepare(0, 1, b.Plan.Shards), s.Prepare(1, count, b.Plan.Shards)
	lam, err := b.Lab.NewLaminar(ctx, "fresh", freshFlow)
	if err != nil {
		return err
	}
	defer lam.Kill()
	snd := workload.NewSender(lam.WriteURL(), b.Plan.Shards+1)
	defer snd.Close()
	if _, err := snd.Send(ctx, warm); err != nil {
		return err
	}
	if _, err := lam.AwaitFlows(ctx); err != nil {
		return err
	}
	// Probes begin a second later: until then the senders are not in step.
	p := &prober{b: b, sender: snd, behind: time.Since(s.Time(1)), after: time.Second}
	var took []float64
	group, ctx2 := errgroup.WithContext(ctx)
	sending, sent := context.WithCancel(ctx2)
	group.Go(func() error {
		defer sent()
		return snd.Pace(ctx2, l, time.Duration(count-1)*interval)
	})
	group.Go(func() (err error) {
		took, err = p.run(sending, lam.DB.URL)
		return err
	})
	if err := group.Wait(); err != nil {
		return errors.Join(err, errors.New(lam.LastWords()))
	}
	b.Add(6, freshRate, "samples/s", float64(n)/interval.Seconds())
	b.Add(6, freshP50, "ms", report.Median(took))
	b.Add(6, freshP99, "ms", report.Quantile(took, 0.99))
	b.Say("   %d probes", len(took))
	return lam.Remove(ctx)
}

// prober sends probes and looks for them in the table.
type prober struct {
	b      *harness.Bench
	sender *workload.Sender
	behind time.Duration // how far the samples' times are behind the clock
	after  time.Duration // when the first is sent
}

// run sends one probe after the other until ctx ends, and returns in ms how
// long each took to show.
func (p *prober) run(ctx context.Context, url string) (took []float64, err error) {
	background := context.WithoutCancel(ctx)
	conn, err := pgx.Connect(background, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(background)
	var probe workload.Series
	probe.Add(0, prompb.Label{Name: "__name__", Value: "node_probe"}, prompb.Label{Name: "job", Value: "probe"})
	select {
	case <-ctx.Done():
	case <-time.After(p.after):
	}
	for n := 1; ctx.Err() == nil; n++ {
		at := time.Now().Add(-p.behind).UnixMilli()
		body := snappy.Encode(nil, workload.AppendSample(nil, probe.Labels[0], at, float64(n)))
		if err := p.sender.Post(background, body); err != nil {
			return nil, err
		}
		acknowledged := time.Now()
		for shown := false; !shown; {
			err := conn.QueryRow(background, "select coalesce(max(value), 0) >= $1 from flow.fresh where job = 'probe'", float64(n)).Scan(&shown)
			if err != nil {
				return nil, err
			}
			if time.Since(acknowledged) > 30*time.Second {
				return nil, fmt.Errorf("probe %d does not show in half a minute", n)
			}
			if !shown {
				time.Sleep(3 * time.Millisecond) // until it looks again
			}
		}
		took = append(took, harness.MS(time.Since(acknowledged)))
		select { // a pause that varies keeps the probes out of step with the rounds
		case <-ctx.Done():
		case <-time.After(time.Duration(workload.Mix(uint64(n))%100) * time.Millisecond):
		}
	}
	return took, nil
}
