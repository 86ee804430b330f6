package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

// refill measures a full recomputation of stored samples, by job and by series,
// into an empty table, and how long it takes to read the same segments and
// throw them away.
func (b *bench) refill(ctx context.Context) error {
	w, err := b.windowsOf(ctx)
	if err != nil {
		return err
	}
	for range b.plan.rounds {
		for _, by := range []string{"job", "series"} {
			if err := w.refill(ctx, by); err != nil {
				return err
			}
			if err := w.cron(ctx, by); err != nil {
				return err
			}
		}
		took, err := w.laminar.db.readHot(ctx)
		if err != nil {
			return err
		}
		b.add(5, refillDiscard, "ms", ms(took))
	}
	if !b.chosen(4) {
		if err := b.releaseWindows(ctx); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		claim, figure, over string
		bound               float64
	}{
		{"refill over cron into an empty table, by job", "Laminar: refill, by job", "cron: into an empty table, by job", 0.5},
		{"refill over cron into an empty table, by series", "Laminar: refill, by series", "cron: into an empty table, by series", 0.6},
		{"refill by job (nearly no rows) over reading and discarding", "Laminar: refill, by job", refillDiscard, 2},
	} {
		if err := b.report.AtMost(5, t.claim, t.figure, t.over, t.bound); err != nil {
			return err
		}
	}
	return nil
}

const refillDiscard = "PostgreSQL: the same segments by COPY, thrown away"

// windowFlow is the flow of sums over windows of a minute, by job or by series.
// The watermark has no delay: the last scrape closes the last window.
func windowFlow(by string, more string) string {
	labels := map[string]string{"job": "job", "series": "instance, path"}[by]
	return fmt.Sprintf(`flows:
  - name: window_%s
    promql: sum by (%s) (sum_over_time(http_requests_total[1m]))
    watermark_delay: 0s
    trigger: {interval: 20ms}
    %s
`, by, labels, more)
}

// windowWork is some windows' samples in Laminar and in a row table.
type windowWork struct {
	b       *bench
	scrapes scrapes
	laminar *laminar
	rows    *database
}

// windowsOf is the work that scenarios 5 and 4 share.
func (b *bench) windowsOf(ctx context.Context) (_ *windowWork, err error) {
	if b.windows == nil {
		b.windows, err = b.newWindowWork(ctx)
	}
	return b.windows, err
}

// releaseWindows ends the work of windowsOf.
func (b *bench) releaseWindows(ctx context.Context) error {
	w := b.windows
	b.windows = nil
	return w.stop(ctx)
}

func (b *bench) newWindowWork(ctx context.Context) (_ *windowWork, err error) {
	w := &windowWork{b: b}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	length := time.Duration(b.plan.refillWindows) * time.Minute
	start := time.Now().Truncate(time.Minute).Add(-length - 10*time.Minute)
	w.scrapes = scrapes{requestSeries(b.plan.refillSeries), start, scrapeInterval}
	if w.laminar, err = b.newLaminar(ctx, "windows", windowFlow("job", "")); err != nil {
		return nil, err
	}
	if err := w.laminar.apply(ctx, windowFlow("series", "")); err != nil {
		return nil, err
	}
	if w.rows, err = b.pg.create(ctx, "windows_rows"); err != nil {
		return nil, err
	}
	if err := w.rows.createTables(ctx, w.scrapes.series, indexByTS); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		`create table cron_job (bucket timestamptz, job text, total float8, primary key (bucket, job))`,
		`create table cron_series (bucket timestamptz, series integer, total float8, primary key (bucket, series))`,
	} {
		if _, err := w.rows.conn.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	// Scrape 0 would belong to the window before.
	last := 1 + b.plan.refillWindows*perMinute
	snd := newSender(w.laminar.writeURL(), b.plan.connections)
	defer snd.close()
	if _, err := snd.send(ctx, w.scrapes.prepare(1, last, b.plan.connections)); err != nil {
		return nil, err
	}
	if _, err := w.laminar.awaitFlows(ctx); err != nil {
		return nil, err
	}
	if _, err := w.rows.copyRows(ctx, w.scrapes.prepareRows(1, last)); err != nil {
		return nil, err
	}
	b.say("   stored %d windows of %d series", b.plan.refillWindows, w.scrapes.series.len())
	return w, w.rows.analyze(ctx)
}

func (w *windowWork) start() time.Time { return w.scrapes.start }
func (w *windowWork) end() time.Time {
	return w.scrapes.start.Add(time.Duration(w.b.plan.refillWindows) * time.Minute)
}

// refill empties a flow's table and refills all windows. It is measured by the
// rounds that the job takes, as a tick is; how long a job waits until a round
// takes it up is a figure of its own.
func (w *windowWork) refill(ctx context.Context, by string) error {
	db := w.laminar.db
	table := "flow.window_" + by
	if _, err := db.conn.Exec(ctx, "truncate "+table); err != nil {
		return err
	}
	if err := db.checkpoint(ctx); err != nil {
		return err
	}
	_, before, err := w.laminar.rounds(ctx)
	if err != nil {
		return err
	}
	if _, err := w.laminar.run(ctx, "refill", "window_"+by, "--from", w.start().UTC().Format(time.RFC3339),
		"--to", w.end().UTC().Format(time.RFC3339), "--no-wait"); err != nil {
		return err
	}
	end, err := db.until(ctx, 5*time.Millisecond, 5*time.Minute, "select not exists (select from laminar.job where state in ('queued', 'running'))")
	if err != nil {
		return err
	}
	took, err := w.laminar.workedSince(ctx, before)
	if err != nil {
		return err
	}
	var (
		asked time.Time
		state string
		rows  int64
	)
	if err := db.conn.QueryRow(ctx, "select created_at, state from laminar.job order by id desc limit 1").Scan(&asked, &state); err != nil {
		return err
	}
	if err := db.conn.QueryRow(ctx, "select count(*) from "+table).Scan(&rows); err != nil {
		return err
	}
	if want := w.groups(by) * w.b.plan.refillWindows; state != "done" || rows != want {
		return fmt.Errorf("the refill of %s is %s with %d rows, not %d", table, state, rows, want)
	}
	w.b.add(5, "Laminar: refill, by "+by, "ms", ms(took))
	w.b.add(5, "Laminar: from asking for the refill to its end, by "+by, "ms", ms(end.Sub(asked)))
	return nil
}

// groups is how many results a window has.
func (w *windowWork) groups(by string) int64 {
	if by == "job" {
		return int64(min(jobCount, (w.scrapes.series.len()+w.scrapes.series.target-1)/w.scrapes.series.target))
	}
	return int64(w.scrapes.series.len())
}

// cronStatements are what a user would write by hand.
var cronStatements = map[string]string{
	"job": `insert into cron_job
select date_bin('1 minute', s.ts, $1::timestamptz + interval '1 ms'), d.job, sum(s.value)
from sample s join series d on d.id = s.series where s.ts > $1 and s.ts <= $2 group by 1, 2
on conflict (bucket, job) do update set total = excluded.total`,
	"series": `insert into cron_series
select date_bin('1 minute', ts, $1::timestamptz + interval '1 ms'), series, sum(value)
from sample where ts > $1 and ts <= $2 group by 1, 2
on conflict (bucket, series) do update set total = excluded.total`,
}

// cron runs the hand-written statement over everything, into an empty table.
func (w *windowWork) cron(ctx context.Context, by string) error {
	if _, err := w.rows.conn.Exec(ctx, "truncate cron_"+by); err != nil {
		return err
	}
	if err := w.rows.checkpoint(ctx); err != nil {
		return err
	}
	took, err := w.rows.timed(ctx, cronStatements[by], w.start(), w.end())
	if err != nil {
		return err
	}
	w.b.add(5, "cron: into an empty table, by "+by, "ms", ms(took))
	return w.compare(ctx, by)
}

// compare refuses to go on if Laminar's results differ from the statement's.
func (w *windowWork) compare(ctx context.Context, by string) error {
	const sums = "select count(*)::float8, coalesce(sum(%s), 0) from %s"
	var n, total, wantN, want float64
	if err := w.laminar.db.conn.QueryRow(ctx, fmt.Sprintf(sums, "value", "flow.window_"+by)).Scan(&n, &total); err != nil {
		return err
	}
	if err := w.rows.conn.QueryRow(ctx, fmt.Sprintf(sums, "total", "cron_"+by)).Scan(&wantN, &want); err != nil {
		return err
	}
	if diff := total - want; n != wantN || diff*diff > 1e-18*want*want {
		return fmt.Errorf("by %s Laminar has %v rows with the sum %v, the statement %v and %v", by, n, total, wantN, want)
	}
	return nil
}

// readHot reads all hot segments over one connection and discards them: the time
// that PostgreSQL needs to send them.
func (d *database) readHot(ctx context.Context) (time.Duration, error) {
	rows, err := d.conn.Query(ctx, "select id from laminar.generation where state in ('current', 'frozen') order by id")
	if err != nil {
		return 0, err
	}
	generations, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for _, id := range generations {
		sql := fmt.Sprintf("copy (select * from laminar.hot_%d) to stdout binary", id)
		if _, err := d.conn.PgConn().CopyTo(ctx, io.Discard, sql); err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
	}
	return time.Since(began), nil
}

func (w *windowWork) close() {
	if w.laminar != nil {
		w.laminar.kill()
	}
}

func (w *windowWork) stop(ctx context.Context) error {
	if err := w.laminar.remove(ctx); err != nil {
		return err
	}
	return w.rows.drop(ctx)
}
