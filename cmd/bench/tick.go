package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"laminar/cmd/bench/report"
)

// tick measures what one more scrape of many series costs: Laminar's round, the
// statement of a cron job, and Prometheus's own evaluation of the rule.
//
// A flow's trigger counts samples, so that exactly one round follows a scrape
// and begins when all of it has landed; emit is close and the watermark has no
// delay, so that this round computes the same one window as the peers do. Its
// duration is what Laminar's own metric of rounds says: from before the
// snapshot to behind the commit.
func (b *bench) tick(ctx context.Context) error {
	t, err := b.ticksOf(ctx)
	if err != nil {
		return err
	}
	for _, span := range []string{"5m", "1h"} {
		if err := t.measure(ctx, span); err != nil {
			return err
		}
	}
	if err := b.tickStored(ctx); err != nil {
		return err
	}
	if !b.chosen(8) {
		if err := b.releaseTicks(ctx); err != nil {
			return err
		}
	}
	return b.tickTargets()
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

func (b *bench) tickTargets() error {
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
	scrapes scrapes
	next    int64 // scrape

	rowsFrom int64 // about the scrape from which on the row table has them

	laminar *laminar
	prom    *prometheusServer
	rows    *database
	toL     *sender
	toP     *sender
}

// ticksOf is the work that scenarios 3 and 8 share.
func (b *bench) ticksOf(ctx context.Context) (_ *tickWork, err error) {
	if b.ticks == nil {
		b.ticks, err = b.newTickWork(ctx)
	}
	return b.ticks, err
}

// releaseTicks ends the work of ticksOf.
func (b *bench) releaseTicks(ctx context.Context) error {
	t := b.ticks
	b.ticks = nil
	return t.stop(ctx)
}

// newTickWork starts all three and stores what is before the first tick, such
// that with the ticks of the first range it is an hour.
func (b *bench) newTickWork(ctx context.Context) (_ *tickWork, err error) {
	t := &tickWork{b: b}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	ofRange := (1 + int64(b.plan.rounds*ticksPerRound)) * perMinute
	before := max(b.plan.tickHour-ofRange, rowScrapes)
	// Everything that is sent lies in the past, or windows could not close.
	ahead := before + 2*ofRange + 6*perMinute
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(ahead) * scrapeInterval)
	t.scrapes = scrapes{requestSeries(b.plan.tickSeries), start, scrapeInterval}
	t.rowsFrom = before - rowScrapes

	if t.laminar, err = b.newLaminar(ctx, "tick", ""); err != nil {
		return nil, err
	}
	dir, err := b.path("prometheus")
	if err != nil {
		return nil, err
	}
	if t.prom, err = b.startPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	if t.rows, err = b.pg.create(ctx, "tick_rows"); err != nil {
		return nil, err
	}
	if err := t.rows.createTables(ctx, t.scrapes.series, indexByTS); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		`create table cron_rate (bucket timestamptz, job text, value float8, primary key (bucket, job))`,
		`create table cron_sum (bucket timestamptz, job text, total float8, samples bigint, primary key (bucket, job))`,
	} {
		if _, err := t.rows.conn.Exec(ctx, statement); err != nil {
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
	t.b.say("   stored %d scrapes of %d series", t.next, t.scrapes.series.len())
	return t.rows.analyze(ctx)
}

// connect makes senders for the processes that run now.
func (t *tickWork) connect() {
	t.toL, t.toP = newSender(t.laminar.writeURL(), t.b.plan.connections), newSender(t.prom.writeURL(), t.b.plan.connections)
}

// rowScrapes is how much of what is before the first tick the row table holds:
// the statements read the last five minutes by an index, so what is older would
// only cost loading.
const rowScrapes = 10 * perMinute

// store sends the next n scrapes to all three, one after the other.
func (t *tickWork) store(ctx context.Context, n int64) error {
	return t.storeThen(ctx, n, func() error { return nil })
}

// storeThen is store with something done between Laminar and the peers.
func (t *tickWork) storeThen(ctx context.Context, n int64, then func() error) error {
	l := t.scrapes.prepare(t.next, t.next+n, t.b.plan.connections)
	var rows rowLoad
	if t.next+n > t.rowsFrom {
		rows = t.scrapes.prepareRows(t.next, t.next+n)
	}
	t.next += n
	if _, err := t.toL.send(ctx, l); err != nil {
		return err
	}
	if err := then(); err != nil {
		return err
	}
	if _, err := t.toP.send(ctx, l); err != nil {
		return err
	}
	_, err := t.rows.copyRows(ctx, rows)
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
	if err := t.store(ctx, perMinute-1); err != nil {
		return err
	}
	if err := t.laminar.apply(ctx, tickFlow(span, time.Minute, t.scrapes.series.len())); err != nil {
		return err
	}
	if _, err := t.laminar.awaitFlows(ctx); err != nil {
		return err
	}
	if _, err := t.round(ctx); err != nil { // builds the state
		return err
	}
	for range t.b.plan.rounds {
		var ticks []float64
		for range ticksPerRound {
			var took time.Duration
			for range perMinute {
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
	_, err := t.laminar.run(ctx, "flow", "delete", "tick_"+span)
	return err
}

// round stores one more scrape and returns how long Laminar worked on it. The
// peers get it when that is over, so that Laminar has the machine to itself as
// they have it when they are measured.
func (t *tickWork) round(ctx context.Context) (took time.Duration, err error) {
	_, before, err := t.laminar.rounds(ctx)
	if err != nil {
		return 0, err
	}
	err = t.storeThen(ctx, 1, func() error {
		if _, err := t.laminar.awaitFlows(ctx); err != nil {
			return err
		}
		took, err = t.laminar.workedSince(ctx, before)
		return err
	})
	return took, err
}

// peers measures the same window in the peers, and looks that all computed the
// same.
func (t *tickWork) peers(ctx context.Context, span string) error {
	end := t.scrapes.time(t.next - 1)
	began := time.Now()
	byJob, err := t.prom.query(ctx, "sum by (job) (rate(http_requests_total["+span+"]))", end)
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
	took, err := t.rows.timed(ctx, `insert into cron_rate
select r.bucket, d.job, sum(r.increase) / 300 from (
	select date_bin('5 minutes', ts, $1::timestamptz + interval '1 ms') as bucket, series, max(value) - min(value) as increase
	from sample where ts > $1 and ts <= $2 group by 1, 2
) r join series d on d.id = r.series group by 1, 2
on conflict (bucket, job) do update set value = excluded.value`, start, end)
	if err != nil {
		return err
	}
	t.b.add(3, tickCronRate, "ms", ms(took))
	took, err = t.rows.timed(ctx, `insert into cron_sum
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
	rows, err := t.laminar.db.conn.Query(ctx, "select job, value from "+table+" where window_end = $1", end)
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

// query evaluates an expression at one time and returns its values by job.
func (p *prometheusServer) query(ctx context.Context, promql string, at time.Time) (map[string]float64, error) {
	path := "/api/v1/query?" + url.Values{"query": {promql}, "time": {strconv.FormatInt(at.Unix(), 10)}}.Encode()
	status, text, err := get(ctx, p.url(path))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%s at %s: answer %d: %s: %w", promql, at, status, text, err)
	}
	out := make(map[string]float64, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		word, _ := r.Value[1].(string)
		if out[r.Metric["job"]], err = strconv.ParseFloat(word, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// close ends what runs, whatever state it is in.
func (t *tickWork) close() {
	if t.toL != nil {
		t.toL.close()
		t.toP.close()
	}
	if t.laminar != nil {
		t.laminar.kill()
	}
	if t.prom != nil {
		t.prom.kill()
	}
}

// stop ends everything in order and removes its data.
func (t *tickWork) stop(ctx context.Context) error {
	if err := t.laminar.remove(ctx); err != nil {
		return err
	}
	if err := t.rows.drop(ctx); err != nil {
		return err
	}
	return discard(t.prom.process, t.prom.dir)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
