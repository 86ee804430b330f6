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
	for range b.Plan.Rounds {
		for _, by := range []string{"job", "series"} {
			if err := w.refill(ctx, by); err != nil {
				return err
			}
			if err := w.cron(ctx, by); err != nil {
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
		{"WAL of the change log over the rest, new windows by series", walLog + ", by series", walRest + ", by series", 0.01},
		{"refill by job (nearly no rows) over reading and discarding", "Laminar: refill, by job", refillDiscard, 2},
	} {
		if err := b.Report.AtMost(5, t.claim, t.figure, t.over, t.bound); err != nil {
			return err
		}
	}
	return nil
}

// refillDiscard is the name of a figure of scenario 5.
const refillDiscard = "PostgreSQL: the same segments by COPY, thrown away"

// refill empties a flow's table and refills all windows. Like a tick it is
// measured by the rounds that it takes. The time from the request to the end of
// the job, which includes the wait for a round, is a figure of its own.
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
	var end time.Time
	err = w.logged(ctx, 5, by, func() error {
		if _, err := w.laminar.Run(ctx, "refill", "window_"+by, "--from", w.start().UTC().Format(time.RFC3339),
			"--to", w.end().UTC().Format(time.RFC3339), "--no-wait"); err != nil {
			return err
		}
		var err error
		end, err = db.Until(ctx, 5*time.Millisecond, 5*time.Minute, "select not exists (select from laminar.job where state in ('queued', 'running'))")
		return err
	})
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
	if want := w.groups(by) * w.b.Plan.RefillWindows; state != "done" || rows != want {
		return fmt.Errorf("the refill of %s is %s with %d rows, not %d", table, state, rows, want)
	}
	w.b.Add(5, "Laminar: refill, by "+by, "ms", harness.MS(took))
	w.b.Add(5, "Laminar: from asking for the refill to its end, by "+by, "ms", harness.MS(end.Sub(asked)))
	return nil
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
