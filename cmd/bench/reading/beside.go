package reading

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

const (
	queriers     = 8
	querierPause = time.Second // from an answer to the next request, as of a dashboard that refreshes as often as can be
)

// ingestBesideQueriers measures the rate of ingest alone and beside people who look at
// what has just arrived.
func ingestBesideQueriers(ctx context.Context, b *harness.Bench) error {
	n := b.Plan.IngestSeries[0]
	s := workload.Scrapes{Series: workload.NodeSeries(n, workload.IngestInterval), Start: workload.IngestStart(), Interval: workload.IngestInterval}
	before := int64(b.Plan.IngestSamples / n / 10)
	w := &besideWork{
		b: b, start: s.Time(0),
		warm: s.Prepare(0, before, b.Plan.Shards), load: s.Prepare(before, before+int64(2*b.Plan.FlowSamples/n), b.Plan.Shards),
	}
	for round := range b.Plan.Rounds {
		for i := range 2 {
			if err := w.measure(ctx, (i+round)%2 == 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// besideWork is what is sent, and when it begins.
type besideWork struct {
	b          *harness.Bench
	start      time.Time
	warm, load workload.Load
}

// measure measures one of the two: beside queriers, if they are to ask.
func (w *besideWork) measure(ctx context.Context, ask bool) error {
	l, err := w.b.Lab.NewLaminar(ctx, "beside", "")
	if err != nil {
		return err
	}
	defer l.Kill()
	snd := workload.NewSender(l.WriteURL(), w.b.Plan.Shards)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.warm); err != nil {
		return err
	}
	if err := l.DB.Checkpoint(ctx); err != nil {
		return err
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	group, asking := errgroup.WithContext(asking)
	var answers [queriers][]float64
	name := ingestAlone
	if ask {
		name = ingestBeside
		for i := range queriers {
			group.Go(func() (err error) {
				answers[i], err = w.ask(asking, l)
				return err
			})
		}
	}
	took, err := snd.Send(ctx, w.load)
	stop()
	if asked := group.Wait(); err == nil {
		err = asked
	}
	if err != nil {
		return err
	}
	if err := lab.CheckTaken(ctx, l, w.warm.Samples+w.load.Samples); err != nil {
		return err
	}
	w.b.Add(Number, name, "samples/s", float64(w.load.Samples)/took.Seconds())
	if ask {
		var all []float64
		for _, list := range answers {
			all = append(all, list...)
		}
		w.b.Add(Number, besideAnswer, "ms", report.Median(all))
	}
	return l.Remove(ctx)
}

// ask asks until ctx ends, at least once, and returns how long answers took, in ms.
func (w *besideWork) ask(ctx context.Context, l *lab.Laminar) (took []float64, err error) {
	for {
		_, d, err := l.Ask(context.WithoutCancel(ctx), "query_range", url.Values{
			"query": {"sum by (job) (rate(node_subsystem0_events_total[1m]))"}, "start": {unix(w.start)}, "end": {unix(w.start.Add(15 * time.Minute))}, "step": {"15"},
		})
		if err != nil {
			return nil, err
		}
		took = append(took, harness.MS(d))
		select {
		case <-ctx.Done():
			return took, nil
		case <-time.After(querierPause):
		}
	}
}
