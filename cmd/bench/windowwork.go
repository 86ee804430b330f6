package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/workload"
)

// windowFlow defines the flow of sums over windows of a minute, by job or by
// series, with one more line of settings. The watermark has no delay: the last
// scrape closes the last window.
func windowFlow(by, more string) string {
	labels := map[string]string{"job": "job", "series": "instance, path"}[by]
	return fmt.Sprintf(`flows:
  - name: window_%s
    promql: sum by (%s) (sum_over_time(http_requests_total[1m]))
    watermark_delay: 0s
    trigger: {interval: 20ms}
    %s
`, by, labels, more)
}

// windowWork is what scenarios 5 and 4 measure: the samples of some windows in
// Laminar and in a row table.
type windowWork struct {
	b       *harness.Bench
	scrapes workload.Scrapes
	laminar *lab.Laminar
	rows    *lab.Database
}

// newWindowWork starts both and stores all samples.
func newWindowWork(ctx context.Context, b *harness.Bench) (_ *windowWork, err error) {
	w := &windowWork{b: b}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	length := time.Duration(b.Plan.RefillWindows) * time.Minute
	start := time.Now().Truncate(time.Minute).Add(-length - 10*time.Minute)
	w.scrapes = workload.Scrapes{Series: workload.RequestSeries(b.Plan.RefillSeries), Start: start, Interval: workload.ScrapeInterval}
	if w.laminar, err = b.Lab.NewLaminar(ctx, "windows", windowFlow("job", "")); err != nil {
		return nil, err
	}
	if err := w.laminar.Apply(ctx, windowFlow("series", "")); err != nil {
		return nil, err
	}
	if w.rows, err = b.Lab.CreateDatabase(ctx, "windows_rows"); err != nil {
		return nil, err
	}
	if err := w.rows.CreateRowTables(ctx, w.scrapes.Series.Jobs, lab.IndexByTS); err != nil {
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
	last := 1 + b.Plan.RefillWindows*workload.PerMinute
	snd := workload.NewSender(w.laminar.WriteURL(), b.Plan.Connections)
	defer snd.Close()
	if _, err := snd.Send(ctx, w.scrapes.Prepare(1, last, b.Plan.Connections)); err != nil {
		return nil, err
	}
	if _, err := w.laminar.AwaitFlows(ctx); err != nil {
		return nil, err
	}
	if _, err := w.rows.CopyRows(ctx, w.scrapes.PrepareRows(1, last)); err != nil {
		return nil, err
	}
	b.Say("   stored %d windows of %d series", b.Plan.RefillWindows, w.scrapes.Series.Len())
	return w, w.rows.Analyze(ctx)
}

// start and end are the bounds of all windows.
func (w *windowWork) start() time.Time { return w.scrapes.Start }
func (w *windowWork) end() time.Time {
	return w.scrapes.Start.Add(time.Duration(w.b.Plan.RefillWindows) * time.Minute)
}

// groups is how many results each window has.
func (w *windowWork) groups(by string) int64 {
	if by == "job" {
		return int64(min(workload.JobCount, (w.scrapes.Series.Len()+w.scrapes.Series.Target-1)/w.scrapes.Series.Target))
	}
	return int64(w.scrapes.Series.Len())
}

// cronStatements compute the windows between $1 and $2 as a user would by hand.
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

// compare fails if Laminar's results differ from the statement's.
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

// close ends what runs, whatever state it is in.
func (w *windowWork) close() {
	if w.laminar != nil {
		w.laminar.Kill()
	}
}

// stop ends everything in order and removes its data.
func (w *windowWork) stop(ctx context.Context) error {
	if err := w.laminar.Remove(ctx); err != nil {
		return err
	}
	return w.rows.Drop(ctx)
}
