package main

import (
	"context"
	"fmt"

	"laminar/cmd/bench/harness"
)

// What the change log costs: the same work with it and without it, in turn. Without it,
// entries are not inserted; everything else is as usual.

// withoutLog is added to names of figures.
const withoutLog = " without the change log"

// logName is what is added to the name of a figure that is measured with the log, or
// without it.
func logName(logged bool) string {
	if logged {
		return ""
	}
	return withoutLog
}

// Names of figures of scenarios 5 and 4.
const (
	walNew  = "Laminar: WAL of new windows, by series"
	walLate = "Laminar: WAL of late samples, by series, without images of pages"
)

// written does something that changes the results of a flow, with the change log or without,
// and returns how many bytes of WAL the server has written meanwhile.
func (w *windowWork) written(ctx context.Context, logged bool, do func() error) (wal float64, err error) {
	db := w.laminar.DB
	if !logged {
		if _, err := db.Conn.Exec(ctx, "create rule unlogged as on insert to laminar.flow_change do instead nothing"); err != nil {
			return 0, fmt.Errorf("switch the change log off: %w", err)
		}
		defer func() {
			if _, dropped := db.Conn.Exec(ctx, "drop rule unlogged on laminar.flow_change"); err == nil {
				err = dropped
			}
		}()
	}
	begin, err := db.WAL(ctx)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	end, err := db.WAL(ctx)
	return end - begin, err
}

// lateWAL measures the WAL of late samples by series, with the log and without. Images of
// whole pages, which follow a checkpoint, are switched off: they are many times as much, and
// say when the checkpoint was.
func (w *windowWork) lateWAL(ctx context.Context, from int) error {
	images := func(set string) error {
		for _, statement := range []string{"alter system " + set, "select pg_reload_conf()"} {
			if _, err := w.laminar.DB.Conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return w.laminar.DB.Checkpoint(ctx)
	}
	if err := images("set full_page_writes = off"); err != nil {
		return err
	}
	for round := range 2 * w.b.Plan.Rounds {
		logged := round%2 == 0
		var sent lateSent
		if err := w.prepareLate(ctx, from+round, &sent); err != nil {
			return err
		}
		wal, err := w.written(ctx, logged, func() error { return w.correct(ctx, &sent) })
		if err != nil {
			return err
		}
		w.b.Add(4, walLate+logName(logged), "B", wal)
	}
	return images("reset full_page_writes")
}

// logTargets compares the figures with and without the log.
func logTargets(b *harness.Bench, scenario int, claim, figure string, bound float64) error {
	return b.Report.AtMost(scenario, claim, figure, figure+withoutLog, bound)
}
