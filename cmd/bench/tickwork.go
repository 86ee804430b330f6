package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/workload"
)

// tickWork is what scenarios 3 and 8 measure: the same history in Laminar and in
// Prometheus, and its end in a row table.
type tickWork struct {
	b       *harness.Bench
	scrapes workload.Scrapes
	next    int64 // number of the scrape that is stored next

	rowsFrom int64 // the first scrape that the row table has; a few earlier ones may be there

	laminar *lab.Laminar
	prom    *lab.Prometheus
	rows    *lab.Database
	toL     *workload.Sender
	toP     *workload.Sender
}

// newTickWork starts all three and stores what comes before the first tick: with
// the ticks of the first range it is an hour.
func newTickWork(ctx context.Context, b *harness.Bench) (_ *tickWork, err error) {
	t := &tickWork{b: b}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	ofRange := (1 + int64(b.Plan.Rounds*harness.TicksPerRound)) * workload.PerMinute
	before := max(b.Plan.TickHour-ofRange, rowScrapes)
	// Everything that is sent lies in the past, or windows could not close.
	ahead := before + 2*ofRange + 6*workload.PerMinute
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(ahead) * workload.ScrapeInterval)
	t.scrapes = workload.Scrapes{Series: workload.RequestSeries(b.Plan.TickSeries), Start: start, Interval: workload.ScrapeInterval}
	t.rowsFrom = before - rowScrapes

	if t.laminar, err = b.Lab.NewLaminar(ctx, "tick", ""); err != nil {
		return nil, err
	}
	dir, err := b.Lab.MakeDir("prometheus")
	if err != nil {
		return nil, err
	}
	if t.prom, err = b.Lab.StartPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	if t.rows, err = b.Lab.CreateDatabase(ctx, "tick_rows"); err != nil {
		return nil, err
	}
	if err := t.rows.CreateRowTables(ctx, t.scrapes.Series.Jobs, lab.IndexByTS); err != nil {
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

// fill stores scrapes up to the one with the number last.
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
	t.b.Say("   stored %d scrapes of %d series", t.next, t.scrapes.Series.Len())
	return t.rows.Analyze(ctx)
}

// connect makes senders for the processes that run now.
func (t *tickWork) connect() {
	t.toL, t.toP = workload.NewSender(t.laminar.WriteURL(), t.b.Plan.Connections), workload.NewSender(t.prom.WriteURL(), t.b.Plan.Connections)
}

// rowScrapes is how many scrapes before the first tick the row table holds. The
// statements read the last five minutes by an index: older rows would cost time
// to load and change nothing.
const rowScrapes = 10 * workload.PerMinute

// store sends the next n scrapes to all three, one after the other.
func (t *tickWork) store(ctx context.Context, n int64) error {
	return t.storeThen(ctx, n, func() error { return nil })
}

// storeThen sends the next n scrapes to Laminar, calls then, and sends them to the
// peers.
func (t *tickWork) storeThen(ctx context.Context, n int64, then func() error) error {
	l := t.scrapes.Prepare(t.next, t.next+n, t.b.Plan.Connections)
	var rows workload.Rows
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

// round stores one more scrape and returns how long Laminar worked on it. The
// peers get the scrape afterwards: each of the three has the machine to itself
// while it is measured.
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

// compare fails if Laminar's results for the window that ends at end differ from
// Prometheus's, which are by job. This version of Prometheus includes one more
// sample, at the window's left end, so they agree within some percent only: enough
// to see that both did the same work.
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
	return t.prom.Discard(t.prom.Dir)
}
