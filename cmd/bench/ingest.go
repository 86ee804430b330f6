package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/report"
)

// ingestInterval is between two scrapes of the ingest scenarios: short, so that
// many samples do not become many hours.
const ingestInterval = time.Second

// ingestStart leaves room before the present for what the scenarios send.
func ingestStart() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Minute) }

// ingest measures the rate of ingest: until the acknowledgement of the last
// request for receivers of HTTP, until the last commit for rows that are copied.
// All series are known before the clock starts.
func (b *bench) ingest(ctx context.Context) error {
	for _, n := range b.plan.ingestSeries {
		s := scrapes{nodeSeries(n, ingestInterval), ingestStart(), ingestInterval}
		last := 1 + int64(b.plan.ingestSamples/n)
		w := &ingestWork{
			label: report.Count(float64(n)) + " series", series: s.series,
			warm: s.prepare(0, 1, b.plan.shards), load: s.prepare(1, last, b.plan.shards),
			warmRows: s.prepareRows(0, 1), rows: s.prepareRows(1, last),
		}
		contenders := []func(*bench, context.Context, *ingestWork) error{
			(*bench).ingestLaminar, (*bench).ingestVictoria, (*bench).ingestPrometheus, (*bench).copyByTime, (*bench).copyBySeries,
		}
		for round := range b.plan.rounds {
			for i := range contenders {
				if err := contenders[(i+round)%len(contenders)](b, ctx, w); err != nil {
					return err
				}
			}
		}
	}
	return b.ingestTargets()
}

// ingestWork is the samples that all contenders receive.
type ingestWork struct {
	label    string
	series   *fleetSeries
	warm     load // one scrape, so that all series are known
	load     load
	warmRows rowLoad
	rows     rowLoad
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

func (b *bench) ingestLaminar(ctx context.Context, w *ingestWork) error {
	l, err := b.newLaminar(ctx, "ingest", "")
	if err != nil {
		return err
	}
	defer l.kill()
	snd := newSender(l.writeURL(), b.plan.shards)
	defer snd.close()
	if _, err := snd.send(ctx, w.warm); err != nil {
		return err
	}
	took, wal, err := l.db.written(ctx, func() (time.Duration, error) { return snd.send(ctx, w.load) })
	if err != nil {
		return err
	}
	if err := checkTaken(ctx, l, w.warm.samples+w.load.samples); err != nil {
		return err
	}
	b.add(1, laminarRate+", "+w.label, "samples/s", float64(w.load.samples)/took.Seconds())
	b.add(1, laminarWAL+", "+w.label, "B/sample", wal/float64(w.load.samples))
	return l.remove(ctx)
}

func (b *bench) ingestVictoria(ctx context.Context, w *ingestWork) error {
	dir, err := b.path("victoria")
	if err != nil {
		return err
	}
	v, err := b.startVictoria(ctx, dir)
	if err != nil {
		return err
	}
	return b.ingestPeer(ctx, w, v, victoriaRate, v.process, dir)
}

func (b *bench) ingestPrometheus(ctx context.Context, w *ingestWork) error {
	dir, err := b.path("prometheus")
	if err != nil {
		return err
	}
	p, err := b.startPrometheus(ctx, dir)
	if err != nil {
		return err
	}
	return b.ingestPeer(ctx, w, p, prometheusRate, p.process, dir)
}

// ingestPeer measures a receiver that is running and removes it.
func (b *bench) ingestPeer(ctx context.Context, w *ingestWork, r receiver, name string, p *process, dir string) error {
	defer p.kill()
	snd := newSender(r.writeURL(), b.plan.shards)
	defer snd.close()
	if _, err := snd.send(ctx, w.warm); err != nil {
		return err
	}
	took, err := snd.send(ctx, w.load)
	if err != nil {
		return err
	}
	if err := checkTaken(ctx, r, w.warm.samples+w.load.samples); err != nil {
		return err
	}
	b.add(1, name+", "+w.label, "samples/s", float64(w.load.samples)/took.Seconds())
	return discard(p, dir)
}

// checkTaken compares what was acknowledged with what the receiver says it has.
func checkTaken(ctx context.Context, r receiver, sent int) error {
	taken, err := r.taken(ctx)
	if err == nil && taken != float64(sent) {
		err = fmt.Errorf("%s has acknowledged %d samples and taken %.0f", r.writeURL(), sent, taken)
	}
	return err
}

func (b *bench) copyByTime(ctx context.Context, w *ingestWork) error {
	return b.ingestRows(ctx, w, indexByTS, timeRowsRate, timeRowsWAL)
}

func (b *bench) copyBySeries(ctx context.Context, w *ingestWork) error {
	return b.ingestRows(ctx, w, indexBySeries, seriesRowsRate, seriesRowsWAL)
}

func (b *bench) ingestRows(ctx context.Context, w *ingestWork, index, rate, wal string) error {
	db, err := b.pg.create(ctx, "rows")
	if err != nil {
		return err
	}
	if err := db.createTables(ctx, w.series, index); err != nil {
		return err
	}
	if _, err := db.copyRows(ctx, w.warmRows); err != nil {
		return err
	}
	took, written, err := db.written(ctx, func() (time.Duration, error) { return db.copyRows(ctx, w.rows) })
	if err != nil {
		return err
	}
	b.add(1, rate+", "+w.label, "samples/s", float64(w.rows.rows)/took.Seconds())
	b.add(1, wal+", "+w.label, "B/sample", written/float64(w.rows.rows))
	return db.drop(ctx)
}

// ingestTargets holds the figures against target 1.
func (b *bench) ingestTargets() error {
	r := b.report
	for i, n := range b.plan.ingestSeries {
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
