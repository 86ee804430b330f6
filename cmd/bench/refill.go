package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/harness"
)

// refill measures how long it takes to compute all stored windows again, by job
// and by series, into an empty table. It is compared with a hand-written statement
// and with the time that reading the same segments takes.
func refill(ctx context.Context, w *windowWork) error {
	b := w.b
	for round := range b.Plan.Rounds {
		for _, by := range []string{"job", "series"} {
			if err := w.refill(ctx, by); err != nil {
				return err
			}
			if err := w.cron(ctx, by); err != nil {
				return err
			}
		}
		// The order matters: what was written before is still to be vacuumed, or flushed.
		for i := range 2 {
			if err := w.refillLogged(ctx, (i+round)%2 == 0); err != nil {
				return err
			}
		}
		took, err := w.laminar.ReadHot(ctx)
		if err != nil {
			return err
		}
		b.Add(5, refillDiscard, "ms", harness.MS(took))
	}
	for _, t := range []struct {
		claim, figure, over string
		bound               float64
	}{
		{"refill over cron into an empty table, by job", "Laminar: refill, by job", "cron: into an empty table, by job", 0.5},
		{"refill over cron into an empty table, by series", "Laminar: refill, by series", "cron: into an empty table, by series", 0.6},
		{"refill by series, with the change log over without", refillBeside, refillBeside + withoutLog, 1.05},
		{"WAL of new windows by series, with the change log over without", walNew, walNew + withoutLog, 1.01},
		{"refill by job (nearly no rows) over reading and discarding", "Laminar: refill, by job", refillDiscard, 2},
	} {
		if err := b.Report.AtMost(5, t.claim, t.figure, t.over, t.bound); err != nil {
			return err
		}
	}
	return nil
}

// Names of figures of scenario 5.
const (
	refillDiscard = "PostgreSQL: the same segments by COPY, thrown away"
	refillBeside  = "Laminar: refill by series, in turn"
)

// refillLogged refills all windows by series once more, with the change log or without.
func (w *windowWork) refillLogged(ctx context.Context, logged bool) error {
	took, wal, _, err := w.refillInto(ctx, "series", logged)
	if err != nil {
		return err
	}
	w.b.Add(5, refillBeside+logName(logged), "ms", harness.MS(took))
	w.b.Add(5, walNew+logName(logged), "B", wal)
	return nil
}

// refill refills all windows. Like a tick it is measured by the rounds that it takes. The
// time from the request to the end of the job, which includes the wait for a round, is a
// figure of its own.
func (w *windowWork) refill(ctx context.Context, by string) error {
	took, _, whole, err := w.refillInto(ctx, by, true)
	if err != nil {
		return err
	}
	w.b.Add(5, "Laminar: refill, by "+by, "ms", harness.MS(took))
	w.b.Add(5, "Laminar: from asking for the refill to its end, by "+by, "ms", harness.MS(whole))
	return nil
}

// refillInto empties a flow's table and refills all windows: how long rounds took, how much
// WAL they wrote, and how long it was from asking to the end.
func (w *windowWork) refillInto(ctx context.Context, by string, logged bool) (took time.Duration, wal float64, whole time.Duration, err error) {
	db := w.laminar.DB
	table := "flow.window_" + by
	if _, err := db.Conn.Exec(ctx, "truncate "+table); err != nil {
		return 0, 0, 0, err
	}
	if err := db.Checkpoint(ctx); err != nil {
		return 0, 0, 0, err
	}
	_, before, err := w.laminar.Rounds(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	var end time.Time
	wal, err = w.written(ctx, logged, func() error {
		if _, err := w.laminar.Run(ctx, "refill", "window_"+by, "--from", w.start().UTC().Format(time.RFC3339),
			"--to", w.end().UTC().Format(time.RFC3339), "--no-wait"); err != nil {
			return err
		}
		var err error
		end, err = db.Until(ctx, 5*time.Millisecond, 5*time.Minute, "select not exists (select from laminar.job where state in ('queued', 'running'))")
		return err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	if took, err = w.laminar.WorkedSince(ctx, before); err != nil {
		return 0, 0, 0, err
	}
	var (
		asked time.Time
		state string
		rows  int64
	)
	if err := db.Conn.QueryRow(ctx, "select created_at, state from laminar.job order by id desc limit 1").Scan(&asked, &state); err != nil {
		return 0, 0, 0, err
	}
	if err := db.Conn.QueryRow(ctx, "select count(*) from "+table).Scan(&rows); err != nil {
		return 0, 0, 0, err
	}
	if want := w.groups(by) * w.b.Plan.RefillWindows; state != "done" || rows != want {
		return 0, 0, 0, fmt.Errorf("the refill of %s is %s with %d rows, not %d", table, state, rows, want)
	}
	return took, wal, end.Sub(asked), nil
}

// cron runs the hand-written statement over all windows, into an empty table.
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
	w.b.Add(5, "cron: into an empty table, by "+by, "ms", harness.MS(took))
	return w.compare(ctx, by)
}
