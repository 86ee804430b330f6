package main

import (
	"context"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// ingest measures the rate of ingest. Receivers of HTTP are done when they have
// acknowledged the last request, rows that are copied with their last commit. All
// series are known before the clock starts. The contenders take turns at being
// first.
func ingest(ctx context.Context, b *harness.Bench) error {
	for _, n := range b.Plan.IngestSeries {
		s := workload.Scrapes{Series: workload.NodeSeries(n, workload.IngestInterval), Start: workload.IngestStart(), Interval: workload.IngestInterval}
		last := 1 + int64(b.Plan.IngestSamples/n)
		w := &ingestWork{
			label: report.Count(float64(n)) + " series", series: s.Series,
			warm: s.Prepare(0, 1, b.Plan.Shards), load: s.Prepare(1, last, b.Plan.Shards),
			warmRows: s.PrepareRows(0, 1), rows: s.PrepareRows(1, last),
		}
		contenders := []func(context.Context, *harness.Bench, *ingestWork) error{
			ingestLaminar, ingestVictoria, ingestPrometheus, copyByTime, copyBySeries,
		}
		for round := range b.Plan.Rounds {
			for i := range contenders {
				if err := contenders[(i+round)%len(contenders)](ctx, b, w); err != nil {
					return err
				}
			}
		}
	}
	return ingestTargets(b)
}

// ingestWork is the samples that all contenders receive.
type ingestWork struct {
	label    string
	series   *workload.Series
	warm     workload.Load // one scrape, so that all series are known
	load     workload.Load
	warmRows workload.Rows
	rows     workload.Rows
}

// Names of figures of scenario 1, to which ", N series" is added.
const (
	laminarRate    = "Laminar"
	victoriaRate   = "VictoriaMetrics"
	prometheusRate = "Prometheus"
	timeRowsRate   = "COPY of rows, index (ts)"
	seriesRowsRate = "COPY of rows, index (series, ts)"
	laminarWAL     = "Laminar, WAL"
	timeRowsWAL    = "COPY of rows, index (ts), WAL"
	seriesRowsWAL  = "COPY of rows, index (series, ts), WAL"
)

// ingestLaminar measures Laminar without flows, its WAL included.
func ingestLaminar(ctx context.Context, b *harness.Bench, w *ingestWork) error {
	l, err := b.Lab.NewLaminar(ctx, "ingest", "")
	if err != nil {
		return err
	}
	defer l.Kill()
	snd := workload.NewSender(l.WriteURL(), b.Plan.Shards)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.warm); err != nil {
		return err
	}
	took, wal, err := l.DB.Written(ctx, func() (time.Duration, error) { return snd.Send(ctx, w.load) })
	if err != nil {
		return err
	}
	if err := lab.CheckTaken(ctx, l, w.warm.Samples+w.load.Samples); err != nil {
		return err
	}
	b.Add(1, laminarRate+", "+w.label, "samples/s", float64(w.load.Samples)/took.Seconds())
	b.Add(1, laminarWAL+", "+w.label, "B/sample", wal/float64(w.load.Samples))
	return l.Remove(ctx)
}

func ingestVictoria(ctx context.Context, b *harness.Bench, w *ingestWork) error {
	dir, err := b.Lab.MakeDir("victoria")
	if err != nil {
		return err
	}
	v, err := b.Lab.StartVictoria(ctx, dir)
	if err != nil {
		return err
	}
	return ingestPeer(ctx, b, w, v, victoriaRate, v.Process, dir)
}

func ingestPrometheus(ctx context.Context, b *harness.Bench, w *ingestWork) error {
	dir, err := b.Lab.MakeDir("prometheus")
	if err != nil {
		return err
	}
	p, err := b.Lab.StartPrometheus(ctx, dir)
	if err != nil {
		return err
	}
	return ingestPeer(ctx, b, w, p, prometheusRate, p.Process, dir)
}

// ingestPeer measures a peer that is running and removes it.
func ingestPeer(ctx context.Context, b *harness.Bench, w *ingestWork, r lab.Receiver, name string, p *lab.Process, dir string) error {
	defer p.Kill()
	snd := workload.NewSender(r.WriteURL(), b.Plan.Shards)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.warm); err != nil {
		return err
	}
	took, err := snd.Send(ctx, w.load)
	if err != nil {
		return err
	}
	if err := lab.CheckTaken(ctx, r, w.warm.Samples+w.load.Samples); err != nil {
		return err
	}
	b.Add(1, name+", "+w.label, "samples/s", float64(w.load.Samples)/took.Seconds())
	return p.Discard(dir)
}

func copyByTime(ctx context.Context, b *harness.Bench, w *ingestWork) error {
	return ingestRows(ctx, b, w, lab.IndexByTS, timeRowsRate, timeRowsWAL)
}

func copyBySeries(ctx context.Context, b *harness.Bench, w *ingestWork) error {
	return ingestRows(ctx, b, w, lab.IndexBySeries, seriesRowsRate, seriesRowsWAL)
}

// ingestRows measures COPY into a row table with one of its indexes.
func ingestRows(ctx context.Context, b *harness.Bench, w *ingestWork, index, rate, wal string) error {
	db, err := b.Lab.CreateDatabase(ctx, "rows")
	if err != nil {
		return err
	}
	if err := db.CreateRowTables(ctx, w.series.Jobs, index); err != nil {
		return err
	}
	if _, err := db.CopyRows(ctx, w.warmRows); err != nil {
		return err
	}
	took, written, err := db.Written(ctx, func() (time.Duration, error) { return db.CopyRows(ctx, w.rows) })
	if err != nil {
		return err
	}
	b.Add(1, rate+", "+w.label, "samples/s", float64(w.rows.Count)/took.Seconds())
	b.Add(1, wal+", "+w.label, "B/sample", written/float64(w.rows.Count))
	return db.Drop(ctx)
}

// ingestTargets compares the figures with target 1.
func ingestTargets(b *harness.Bench) error {
	r := b.Report
	for i, n := range b.Plan.IngestSeries {
		label := ", " + report.Count(float64(n)) + " series"
		for _, t := range []struct {
			claim, over string
			bound       [2]float64
		}{
			{"over VictoriaMetrics", victoriaRate, [2]float64{1.2, 1.5}},
			{"over Prometheus", prometheusRate, [2]float64{3.5, 3.5}},
			{"over COPY of rows, index (ts)", timeRowsRate, [2]float64{2, 2}},
			{"over COPY of rows, index (series, ts)", seriesRowsRate, [2]float64{4, 4}},
		} {
			if err := r.AtLeast(1, "ingest "+t.claim+label, laminarRate+label, t.over+label, t.bound[i]); err != nil {
				return err
			}
		}
		if err := r.AtMost(1, "WAL per sample over rows, index (ts)"+label, laminarWAL+label, timeRowsWAL+label, 0.25); err != nil {
			return err
		}
	}
	return nil
}
