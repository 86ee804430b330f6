// Package sessions is the scenario of users who come and go: Laminar keeps the sessions of
// each; beside it is the statement that finds them with window functions.
package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// Number is the scenario's.
const Number = 14

// The rule of sessions. No user is active for longer than half of longest, so no session is
// cut, and the statement needs no rule for that.
const (
	gap     = 2 * time.Minute
	longest = 10 * time.Minute
)

// kind is which sessions have rows.
type kind struct {
	emit  string
	about string // for people
	open  bool   // sessions that are not closed have rows, too
}

var kinds = []kind{
	{emit: "close", about: "closed sessions"},
	{emit: "update", about: "closed and open sessions", open: true},
}

// Names of figures. The %s stands for which sessions have rows.
const (
	tick      = "Laminar: tick, %s"
	statement = "PostgreSQL: lag() over the samples, %s"
)

// indexOfViews gives the statement what it needs of a user in order, without the table and
// without the samples of silence.
const indexOfViews = "create index sample_views on sample (series, ts) include (value) where value > 0"

// Measure measures each kind: the round after a scrape of all users, and the statement
// after the same scrape. The flow's trigger counts samples, as in the scenario of ticks.
func Measure(ctx context.Context, b *harness.Bench) (err error) {
	history := int64((longest + 2*gap) / workload.ScrapeInterval)
	ticks := int64(len(kinds)) * (1 + int64(b.Plan.Rounds*harness.TicksPerRound))
	rig, rows, err := b.Lab.NewRigAndRows(ctx, "sessions", b.Plan.Connections, workload.UserSeries(b.Plan.TickSeries), history, ticks+workload.PerMinute)
	if err != nil {
		return err
	}
	defer rig.Close()
	if _, err := rows.Conn.Exec(ctx, indexOfViews); err != nil {
		return fmt.Errorf("%s: %w", indexOfViews, err)
	}
	s := &scenario{b: b, rig: rig, rows: rows}
	for _, k := range kinds {
		w := &work{scenario: s, kind: k}
		if err := w.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", k.about, err)
		}
	}
	for _, k := range kinds {
		if err := b.Report.AtMost(Number, "tick of sessions over the statement, "+k.about, fmt.Sprintf(tick, k.about), fmt.Sprintf(statement, k.about), 0.2); err != nil {
			return err
		}
	}
	return errors.Join(rig.Stop(ctx), rows.Drop(ctx))
}

// work is one kind of session over the same samples in a Laminar and in a row table.
type work struct {
	*scenario
	kind
	began time.Time // sessions that end later are compared
	done  time.Time // up to when they end that the statement has stored
}

// scenario is those samples.
type scenario struct {
	b    *harness.Bench
	rig  *lab.Rig
	rows *lab.Database
	have int64 // the row table has the scrapes before this number
}

func (w *work) measure(ctx context.Context) error {
	flow := fmt.Sprintf("flows:\n  - {name: sessions_%s, promql: sum by (user) (pages_viewed), session: {gap: %s, max: %s, when: '> 0'}, emit: %[1]s, watermark_delay: 0s, trigger: {samples: %[4]d}}\n",
		w.emit, seconds(gap), seconds(longest), w.rig.Scrapes.Series.Len())
	if err := w.rig.Laminar.Apply(ctx, flow); err != nil {
		return err
	}
	if _, err := w.rows.Conn.Exec(ctx, "create table sessions_"+w.emit+` ("user" text, window_start timestamptz, window_end timestamptz, value float8, primary key ("user", window_start))`); err != nil {
		return err
	}
	if _, err := w.rig.Round(ctx); err != nil { // builds the state
		return err
	}
	w.done = w.settled()
	w.began = w.done
	for range w.b.Plan.Rounds {
		var ticks []float64
		for n := range harness.TicksPerRound {
			if n == harness.TicksPerRound-1 { // so that the statement, too, has one scrape to catch up with
				if _, err := w.byHand(ctx); err != nil {
					return err
				}
			}
			took, err := w.rig.Round(ctx)
			if err != nil {
				return err
			}
			ticks = append(ticks, harness.MS(took))
		}
		w.b.Add(Number, fmt.Sprintf(tick, w.about), "ms", report.Median(ticks))
		took, err := w.byHand(ctx)
		if err != nil {
			return err
		}
		w.b.Add(Number, fmt.Sprintf(statement, w.about), "ms", harness.MS(took))
	}
	return w.rig.Laminar.DeleteFlow(ctx, "sessions_"+w.emit)
}

// seconds is a duration as definitions spell it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d.Seconds())) }

// now is the time of the newest sample.
func (s *scenario) now() time.Time { return s.rig.Scrapes.Time(s.rig.Next - 1) }

// settled is up to when sessions end that have rows by now.
func (w *work) settled() time.Time {
	if w.open {
		return w.now()
	}
	return w.now().Add(-gap)
}

// byHand brings the table of the statement up to date, returns how long that took, and
// compares it with Laminar's.
//
// The statement stores sessions that end later than those that it has stored before: open
// ones that have a new sample, or, where only closed ones are stored, those that have been
// closed since. It looks at users alone who have a sample where these sessions end. Such a
// session may have begun longest before its end, and that a sample is its first shows in
// the samples of the gap before. So it looks at the samples of these users from longest +
// gap before the earliest of these ends on. It leaves alone what late samples might change
// before.
func (w *work) byHand(ctx context.Context) (time.Duration, error) {
	if _, err := w.rows.CopyRows(ctx, w.rig.Scrapes.PrepareRows(w.have, w.rig.Next)); err != nil {
		return 0, err
	}
	w.have = w.rig.Next
	if err := w.rows.Analyze(ctx); err != nil {
		return 0, err
	}
	settled := w.settled()
	took, err := w.rows.Timed(ctx, `insert into sessions_`+w.emit+`
select d.job, r.first, r.last, r.value from (
	select series, min(ts) as first, max(ts) as last, sum(value) as value from (
		select series, ts, value, count(*) filter (where begins) over (partition by series order by ts rows unbounded preceding) as run from (
			select series, ts, value, ts - lag(ts) over (partition by series order by ts) > $5::interval as begins
			from sample where ts > $1 and ts <= $2 and value > 0
				and series in (select series from sample where ts > $3 and ts <= $4 and value > 0)
		) s
	) s group by series, run having max(ts) > $3 and max(ts) <= $4
) r join series d on d.id = r.series
on conflict ("user", window_start) do update set window_end = excluded.window_end, value = excluded.value`,
		w.done.Add(-longest-gap), w.now(), w.done, settled, gap)
	if err != nil {
		return 0, err
	}
	w.done = settled
	return took, w.compare(ctx)
}

// begun is a session by its user and its beginning, ms since 1970.
type begun struct {
	user  string
	first int64
}

// ended is its end, ms since 1970, and its value.
type ended struct {
	last  int64
	value float64
}

// compare holds Laminar's sessions to those of the statement.
func (w *work) compare(ctx context.Context) error {
	want, err := sessions(ctx, w.rows, "sessions_"+w.emit, w.began)
	if err != nil {
		return err
	}
	got, err := sessions(ctx, w.rig.Laminar.DB, "flow.sessions_"+w.emit, w.began)
	if err != nil {
		return err
	}
	if len(got) != len(want) || len(want) == 0 {
		return fmt.Errorf("%d sessions are in Laminar's table, %d in the statement's", len(got), len(want))
	}
	for s, r := range want {
		if got[s] != r {
			return fmt.Errorf("session %+v: Laminar has %+v, the statement %+v", s, got[s], r)
		}
	}
	return nil
}

// sessions reads the sessions that end after a time.
func sessions(ctx context.Context, db *lab.Database, table string, after time.Time) (map[begun]ended, error) {
	rows, err := db.Conn.Query(ctx, `select "user", window_start, window_end, value from `+table+" where window_end > $1", after)
	if err != nil {
		return nil, err
	}
	out := map[begun]ended{}
	var (
		user        string
		first, last time.Time
		value       float64
	)
	_, err = pgx.ForEachRow(rows, []any{&user, &first, &last, &value}, func() error {
		out[begun{user, first.UnixMilli()}] = ended{last.UnixMilli(), value}
		return nil
	})
	return out, err
}
