package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
)

// measureTicks measures what one more scrape of many series costs: Laminar's round, the
// statement of a cron job, and Prometheus's own evaluation of the rule.
//
// A flow's trigger counts samples, so that exactly one round follows a scrape
// and begins when all of it has landed; emit is close and the watermark has no
// delay, so that this round computes the same one window as the peers do. Its
// duration is what Laminar's own metric of rounds says: from before the
// snapshot to behind the commit.
func measureTicks(ctx context.Context, b *bench) error {
	t, err := ticksOf(ctx, b)
	if err != nil {
		return err
	}
	for _, span := range []string{"5m", "1h"} {
		if err := t.measure(ctx, span); err != nil {
			return err
		}
	}
	if err := tickStored(ctx, b); err != nil {
		return err
	}
	if !b.chosen(8) {
		if err := releaseTicks(ctx, b); err != nil {
			return err
		}
	}
	return tickTargets(b)
}

// ticksPerRound is how many ticks a round's figure of a range is the median of.
// A single one takes as long as its durable write happens to.
const ticksPerRound = 5

// Names of figures of scenario 3; those with a %s are for a range.
const (
	tickLaminar    = "Laminar: sum by (job) (rate(m[%s]))"
	tickPrometheus = "Prometheus: instant query of sum by (job) (rate(m[%s]))"
	tickCronRate   = "cron: per series max - min, summed by job, last 5 min"
	tickCronSum    = "cron: sum and count of values by job, last 5 min"
)

func tickTargets(b *bench) error {
	r := b.report
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

// tickWork is the same history in Laminar and in Prometheus, and its end in a
// row table.
type tickWork struct {
	b       *bench
	scrapes lab.Scrapes
	next    int64 // scrape

	rowsFrom int64 // about the scrape from which on the row table has them

	laminar *lab.Laminar
	prom    *lab.PrometheusServer
	rows    *lab.Database
	toL     *lab.Sender
	toP     *lab.Sender
}

// ticksOf is the work that scenarios 3 and 8 share.
func ticksOf(ctx context.Context, b *bench) (*tickWork, error) {
	if t, ok := b.ticks.(*tickWork); ok {
		return t, nil
	}
	t, err := newTickWork(ctx, b)
	if err != nil {
		return nil, err
	}
	b.ticks = t
	return t, nil
}

// releaseTicks ends the work of ticksOf.
func releaseTicks(ctx context.Context, b *bench) error {
	t, ok := b.ticks.(*tickWork)
	if !ok {
		return nil
	}
	b.ticks = nil
	return t.stop(ctx)
}

// newTickWork starts all three and stores what is before the first tick, such
// that with the ticks of the first range it is an hour.
func newTickWork(ctx context.Context, b *bench) (_ *tickWork, err error) {
	t := &tickWork{b: b}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	ofRange := (1 + int64(b.plan.rounds*ticksPerRound)) * lab.PerMinute
	before := max(b.plan.tickHour-ofRange, rowScrapes)
	// Everything that is sent lies in the past, or windows could not close.
	ahead := before + 2*ofRange + 6*lab.PerMinute
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(ahead) * lab.ScrapeInterval)
	t.scrapes = lab.Scrapes{Series: lab.RequestSeries(b.plan.tickSeries), Start: start, Interval: lab.ScrapeInterval}
	t.rowsFrom = before - rowScrapes

	if t.laminar, err = b.NewLaminar(ctx, "tick", ""); err != nil {
		return nil, err
	}
	dir, err := b.Path("prometheus")
	if err != nil {
		return nil, err
	}
	if t.prom, err = b.StartPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	if t.rows, err = b.PG.Create(ctx, "tick_rows"); err != nil {
		return nil, err
	}
	if err := t.rows.CreateTables(ctx, t.scrapes.Series, lab.IndexByTS); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		`create table cron_rate (bucket timestamptz, job text, value float8, primary key (bucket, job))`,
		`create table cron_sum (bucket timestamptz, job text, total float8, samples bigint, primary key (bucket, job))`,
	} {
		if _, err := t.rows.Conn.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	t.connect()
	return t, t.fill(ctx, before)
}

// fill stores scrapes, up to that one.
func (t *tickWork) fill(ctx context.Context, last int64) error {
	if t.next > last {
		return nil
	}
	const portion = 10 // scrapes prepared at once
	for t.next <= last {
		if err := t.store(ctx, min(portion, last+1-t.next)); err != nil {
			return err
		}
	}
	t.b.say("   stored %d scrapes of %d series", t.next, t.scrapes.Series.Len())
	return t.rows.Analyze(ctx)
}

// connect makes senders for the processes that run now.
func (t *tickWork) connect() {
	t.toL, t.toP = lab.NewSender(t.laminar.WriteURL(), lab.Connections), lab.NewSender(t.prom.WriteURL(), lab.Connections)
}

// rowScrapes is how much of what is before the first tick the row table holds:
// the statements read the last five minutes by an index, so what is older would
// only cost loading.
const rowScrapes = 10 * lab.PerMinute

// store sends the next n scrapes to all three, one after the other.
func (t *tickWork) store(ctx context.Context, n int64) error {
	return t.storeThen(ctx, n, func() error { return nil })
}

// storeThen is store with something done between Laminar and the peers.
func (t *tickWork) storeThen(ctx context.Context, n int64, then func() error) error {
	l := t.scrapes.Prepare(t.next, t.next+n, lab.Connections)
	var rows lab.RowLoad
	if t.next+n > t.rowsFrom {
		rows = t.scrapes.PrepareRows(t.next, t.next+n)
	}
	t.next += n
	if _, err := t.toL.Send(ctx, l); err != nil {
		return err
	}
	if err := then(); err != nil {
		return err
	}
	if _, err := t.toP.Send(ctx, l); err != nil {
		return err
	}
	_, err := t.rows.CopyRows(ctx, rows)
	return err
}

// tickFlow is the flow of a range, with a window that ends every so often; a
// round follows every whole scrape.
func tickFlow(span string, every time.Duration, series int) string {
	return fmt.Sprintf(`flows:
  - name: tick_%s
    promql: sum by (job) (rate(http_requests_total[%s]))
    every: %s
    emit: close
    watermark_delay: 0s
    trigger: {samples: %d}
`, span, span, every, series)
}

// measure measures the ticks of a range: those of the scrapes that complete a
// minute.
func (t *tickWork) measure(ctx context.Context, span string) error {
	if span == "1h" {
		if err := t.fill(ctx, t.b.plan.tickHour); err != nil {
			return err
		}
	}
	if err := t.store(ctx, lab.PerMinute-1); err != nil {
		return err
	}
	if err := t.laminar.Apply(ctx, tickFlow(span, time.Minute, t.scrapes.Series.Len())); err != nil {
		return err
	}
	if _, err := t.laminar.AwaitFlows(ctx); err != nil {
		return err
	}
	if _, err := t.round(ctx); err != nil { // builds the state
		return err
	}
	for range t.b.plan.rounds {
		var ticks []float64
		for range ticksPerRound {
			var took time.Duration
			for range lab.PerMinute {
				var err error
				if took, err = t.round(ctx); err != nil {
					return err
				}
			}
			ticks = append(ticks, ms(took))
		}
		t.b.add(3, fmt.Sprintf(tickLaminar, span), "ms", report.Median(ticks))
		if err := t.peers(ctx, span); err != nil {
			return err
		}
	}
	_, err := t.laminar.Run(ctx, "flow", "delete", "tick_"+span)
	return err
}

// round stores one more scrape and returns how long Laminar worked on it. The
// peers get it when that is over, so that Laminar has the machine to itself as
// they have it when they are measured.
func (t *tickWork) round(ctx context.Context) (took time.Duration, err error) {
	_, before, err := t.laminar.Rounds(ctx)
	if err != nil {
		return 0, err
	}
	err = t.storeThen(ctx, 1, func() error {
		if _, err := t.laminar.AwaitFlows(ctx); err != nil {
			return err
		}
		took, err = t.laminar.WorkedSince(ctx, before)
		return err
	})
	return took, err
}

// peers measures the same window in the peers, and looks that all computed the
// same.
func (t *tickWork) peers(ctx context.Context, span string) error {
	end := t.scrapes.Time(t.next - 1)
	began := time.Now()
	byJob, err := t.prom.Query(ctx, "sum by (job) (rate(http_requests_total["+span+"]))", end)
	if err != nil {
		return err
	}
	t.b.add(3, fmt.Sprintf(tickPrometheus, span), "ms", ms(time.Since(began)))
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
	t.b.add(3, tickCronRate, "ms", ms(took))
	took, err = t.rows.Timed(ctx, `insert into cron_sum
select date_bin('5 minutes', s.ts, $1::timestamptz + interval '1 ms'), d.job, sum(s.value), count(*)
from sample s join series d on d.id = s.series where s.ts > $1 and s.ts <= $2 group by 1, 2
on conflict (bucket, job) do update set total = excluded.total, samples = excluded.samples`, start, end)
	if err != nil {
		return err
	}
	t.b.add(3, tickCronSum, "ms", ms(took))
	return nil
}

// compare refuses to go on if Laminar's results differ from Prometheus's. This
// version of Prometheus includes one more sample, at the window's left end, so
// they agree within some percent only: enough to see that both did the same work.
func (t *tickWork) compare(ctx context.Context, table string, end time.Time, want map[string]float64) error {
	rows, err := t.laminar.DB.Conn.Query(ctx, "select job, value from "+table+" where window_end = $1", end)
	if err != nil {
		return err
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var (
			job string
			got float64
		)
		if err := rows.Scan(&job, &got); err != nil {
			return err
		}
		if w, ok := want[job]; !ok || math.Abs(got-w) > 0.1*math.Abs(w) {
			return fmt.Errorf("window %s of %s: Laminar has %v, Prometheus %v", end, job, got, w)
		}
		count++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if count != len(want) || count == 0 {
		return fmt.Errorf("window %s: Laminar has %d groups, Prometheus %d", end, count, len(want))
	}
	return nil
}

// close ends what runs, whatever state it is in.
func (t *tickWork) close() {
	if t.toL != nil {
		t.toL.Close()
		t.toP.Close()
	}
	if t.laminar != nil {
		t.laminar.Kill()
	}
	if t.prom != nil {
		t.prom.Kill()
	}
}

// stop ends everything in order and removes its data.
func (t *tickWork) stop(ctx context.Context) error {
	if err := t.laminar.Remove(ctx); err != nil {
		return err
	}
	if err := t.rows.Drop(ctx); err != nil {
		return err
	}
	return lab.Discard(t.prom.Process, t.prom.Dir)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
