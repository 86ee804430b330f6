package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/lab"
)

// measureRefill measures a full recomputation of stored samples, by job and by series,
// into an empty table, and how long it takes to read the same segments and
// throw them away.
func measureRefill(ctx context.Context, b *bench) error {
	w, err := windowsOf(ctx, b)
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
		took, err := w.laminar.DB.ReadHot(ctx)
		if err != nil {
			return err
		}
		b.add(5, refillDiscard, "ms", ms(took))
	}
	if !b.chosen(4) {
		if err := releaseWindows(ctx, b); err != nil {
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
	scrapes lab.Scrapes
	laminar *lab.Laminar
	rows    *lab.Database
}

// windowsOf is the work that scenarios 5 and 4 share.
func windowsOf(ctx context.Context, b *bench) (*windowWork, error) {
	if w, ok := b.windows.(*windowWork); ok {
		return w, nil
	}
	w, err := newWindowWork(ctx, b)
	if err != nil {
		return nil, err
	}
	b.windows = w
	return w, nil
}

// releaseWindows ends the work of windowsOf.
func releaseWindows(ctx context.Context, b *bench) error {
	w, ok := b.windows.(*windowWork)
	if !ok {
		return nil
	}
	b.windows = nil
	return w.stop(ctx)
}

func newWindowWork(ctx context.Context, b *bench) (_ *windowWork, err error) {
	w := &windowWork{b: b}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	length := time.Duration(b.plan.refillWindows) * time.Minute
	start := time.Now().Truncate(time.Minute).Add(-length - 10*time.Minute)
	w.scrapes = lab.Scrapes{Series: lab.RequestSeries(b.plan.refillSeries), Start: start, Interval: lab.ScrapeInterval}
	if w.laminar, err = b.NewLaminar(ctx, "windows", windowFlow("job", "")); err != nil {
		return nil, err
	}
	if err := w.laminar.Apply(ctx, windowFlow("series", "")); err != nil {
		return nil, err
	}
	if w.rows, err = b.PG.Create(ctx, "windows_rows"); err != nil {
		return nil, err
	}
	if err := w.rows.CreateTables(ctx, w.scrapes.Series, lab.IndexByTS); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		`create table cron_job (bucket timestamptz, job text, total float8, primary key (bucket, job))`,
		`create table cron_series (bucket timestamptz, series integer, total float8, primary key (bucket, series))`,
	} {
		if _, err := w.rows.Conn.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	// Scrape 0 would belong to the window before.
	last := 1 + b.plan.refillWindows*lab.PerMinute
	snd := lab.NewSender(w.laminar.WriteURL(), lab.Connections)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.scrapes.Prepare(1, last, lab.Connections)); err != nil {
		return nil, err
	}
	if _, err := w.laminar.AwaitFlows(ctx); err != nil {
		return nil, err
	}
	if _, err := w.rows.CopyRows(ctx, w.scrapes.PrepareRows(1, last)); err != nil {
		return nil, err
	}
	b.say("   stored %d windows of %d series", b.plan.refillWindows, w.scrapes.Series.Len())
	return w, w.rows.Analyze(ctx)
}

func (w *windowWork) start() time.Time { return w.scrapes.Start }
func (w *windowWork) end() time.Time {
	return w.scrapes.Start.Add(time.Duration(w.b.plan.refillWindows) * time.Minute)
}

// measureRefill empties a flow's table and refills all windows. It is measured by the
// rounds that the job takes, as a tick is; how long a job waits until a round
// takes it up is a figure of its own.
func (w *windowWork) refill(ctx context.Context, by string) error {
	db := w.laminar.DB
	table := "flow.window_" + by
	if _, err := db.Conn.Exec(ctx, "truncate "+table); err != nil {
		return err
	}
	if err := db.Checkpoint(ctx); err != nil {
		return err
	}
	_, before, err := w.laminar.Rounds(ctx)
	if err != nil {
		return err
	}
	if _, err := w.laminar.Run(ctx, "refill", "window_"+by, "--from", w.start().UTC().Format(time.RFC3339),
		"--to", w.end().UTC().Format(time.RFC3339), "--no-wait"); err != nil {
		return err
	}
	end, err := db.Until(ctx, 5*time.Millisecond, 5*time.Minute, "select not exists (select from laminar.job where state in ('queued', 'running'))")
	if err != nil {
		return err
	}
	took, err := w.laminar.WorkedSince(ctx, before)
	if err != nil {
		return err
	}
	var (
		asked time.Time
		state string
		rows  int64
	)
	if err := db.Conn.QueryRow(ctx, "select created_at, state from laminar.job order by id desc limit 1").Scan(&asked, &state); err != nil {
		return err
	}
	if err := db.Conn.QueryRow(ctx, "select count(*) from "+table).Scan(&rows); err != nil {
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
		return int64(min(lab.JobCount, (w.scrapes.Series.Len()+w.scrapes.Series.Target-1)/w.scrapes.Series.Target))
	}
	return int64(w.scrapes.Series.Len())
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
	if _, err := w.rows.Conn.Exec(ctx, "truncate cron_"+by); err != nil {
		return err
	}
	if err := w.rows.Checkpoint(ctx); err != nil {
		return err
	}
	took, err := w.rows.Timed(ctx, cronStatements[by], w.start(), w.end())
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
	if err := w.laminar.DB.Conn.QueryRow(ctx, fmt.Sprintf(sums, "value", "flow.window_"+by)).Scan(&n, &total); err != nil {
		return err
	}
	if err := w.rows.Conn.QueryRow(ctx, fmt.Sprintf(sums, "total", "cron_"+by)).Scan(&wantN, &want); err != nil {
		return err
	}
	if diff := total - want; n != wantN || diff*diff > 1e-18*want*want {
		return fmt.Errorf("by %s Laminar has %v rows with the sum %v, the statement %v and %v", by, n, total, wantN, want)
	}
	return nil
}

func (w *windowWork) close() {
	if w.laminar != nil {
		w.laminar.Kill()
	}
}

func (w *windowWork) stop(ctx context.Context) error {
	if err := w.laminar.Remove(ctx); err != nil {
		return err
	}
	return w.rows.Drop(ctx)
}
