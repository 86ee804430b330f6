package main

import (
	"context"
	"fmt"
	"time"

	"github.com/golang/snappy"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/workload"
)

// refillAndLate runs scenarios 5 and 4 on the same samples.
func refillAndLate(ctx context.Context, b *harness.Bench) error {
	w, err := newWindowWork(ctx, b)
	if err != nil {
		return fmt.Errorf("set up scenarios 5 and 4: %w", err)
	}
	defer w.close()
	if err := b.Scenario(ctx, 5, func(ctx context.Context) error { return refill(ctx, w) }); err != nil {
		return err
	}
	if err := b.Scenario(ctx, 4, func(ctx context.Context) error { return late(ctx, w) }); err != nil {
		return err
	}
	return w.stop(ctx)
}

// The late samples of a round, spread evenly over the windows.
const (
	lateSamples = 1000
	lateWindows = 20
)

// late measures the cost of samples that arrive long after their windows have
// closed: the rounds that compute those windows again, against a statement that
// is told which windows they are.
//
// Laminar waits until no late sample has arrived for 2 s before it computes a
// window again. The wait is idle, so the figure of rounds leaves it out; the
// figure from acknowledgement to corrected table includes it.
func late(ctx context.Context, w *windowWork) error {
	b := w.b
	for _, name := range []string{"window_job", "window_series"} {
		if err := w.laminar.DeleteFlow(ctx, name); err != nil {
			return err
		}
	}
	for i, by := range []string{"job", "series"} {
		if err := w.laminar.Apply(ctx, windowFlow(by, "backfill: all")); err != nil {
			return err
		}
		if _, err := w.laminar.AwaitFlows(ctx); err != nil {
			return err
		}
		if _, err := w.rows.Conn.Exec(ctx, "truncate cron_"+by); err != nil {
			return err
		}
		if _, err := w.rows.Timed(ctx, cronStatements[by], w.start(), w.end()); err != nil {
			return err
		}
		if err := w.compare(ctx, by); err != nil {
			return fmt.Errorf("after the backfill: %w", err)
		}
		for round := range b.Plan.Rounds {
			if err := w.lateRound(ctx, by, i*b.Plan.Rounds+round); err != nil {
				return err
			}
		}
		if by == "series" {
			if err := w.lateWAL(ctx, 2*b.Plan.Rounds); err != nil {
				return err
			}
		}
		if err := w.laminar.DeleteFlow(ctx, "window_"+by); err != nil {
			return err
		}
	}
	const claim = "late samples over the statement that knows the windows, by "
	if err := b.Report.AtMost(4, claim+"job", "Laminar: rounds, by job", "statement, by job", 0.3); err != nil {
		return err
	}
	if err := b.Report.AtMost(4, claim+"series", "Laminar: rounds, by series", "statement, by series", 0.15); err != nil {
		return err
	}
	return logTargets(b, 4, "WAL of late samples by series, with the change log over without", walLate, 1.2)
}

// lateSent is late samples that are sent, and when.
type lateSent struct {
	request             []byte
	starts              []time.Time // of the windows that they are in
	acknowledged, shown time.Time
}

// prepareLate makes the late samples of a round, and copies them into the row table.
func (w *windowWork) prepareLate(ctx context.Context, round int, sent *lateSent) error {
	var (
		raw    []byte
		writer workload.RowWriter
		apart  = time.Duration(w.b.Plan.RefillWindows/lateWindows) * time.Minute
	)
	for i := range lateWindows {
		sent.starts = append(sent.starts, w.start().Add(time.Duration(i)*apart))
	}
	for i := range lateSamples {
		series := int(workload.Mix(uint64(round*lateSamples+i)) % uint64(w.scrapes.Series.Len()))
		// Between two scrapes, and at a different time for every sample of a window.
		t := sent.starts[i%lateWindows].UnixMilli() + 2000 + int64((round*lateSamples+i)/lateWindows)
		raw = workload.AppendSample(raw, w.scrapes.Series.Labels[series], t, float64(i))
		writer.Add(t, series, float64(i))
	}
	sent.request = snappy.Encode(nil, raw)
	_, err := w.rows.CopyRows(ctx, workload.Rows{Lanes: [][][]byte{writer.Finish()}})
	return err
}

// correct sends late samples and waits until the flow's table is right.
func (w *windowWork) correct(ctx context.Context, sent *lateSent) (err error) {
	snd := workload.NewSender(w.laminar.WriteURL(), 1)
	defer snd.Close()
	if err := snd.Post(ctx, sent.request); err != nil {
		return err
	}
	sent.acknowledged = time.Now()
	sent.shown, err = w.laminar.AwaitFlows(ctx)
	return err
}

// lateRound sends the same late samples to both and has both correct their tables.
func (w *windowWork) lateRound(ctx context.Context, by string, round int) error {
	var sent lateSent
	if err := w.prepareLate(ctx, round, &sent); err != nil {
		return err
	}
	if err := w.rows.Checkpoint(ctx); err != nil {
		return err
	}
	begun, before, err := w.laminar.Rounds(ctx)
	if err != nil {
		return err
	}
	if err := w.correct(ctx, &sent); err != nil {
		return err
	}
	took, err := w.laminar.WorkedSince(ctx, before)
	if err != nil {
		return err
	}
	ended, _, err := w.laminar.Rounds(ctx)
	if err != nil {
		return err
	}
	w.b.Say("   in %d rounds", ended-begun)
	if err := w.rows.Checkpoint(ctx); err != nil {
		return err
	}
	byHand, err := w.rows.Timed(ctx, lateStatements[by], sent.starts)
	if err != nil {
		return err
	}
	w.b.Add(4, "Laminar: rounds, by "+by, "ms", harness.MS(took))
	w.b.Add(4, "Laminar: from acknowledgement to the corrected table, by "+by, "ms", harness.MS(sent.shown.Sub(sent.acknowledged)))
	w.b.Add(4, "statement, by "+by, "ms", harness.MS(byHand))
	return w.compare(ctx, by)
}

// lateStatements compute the windows that begin at $1 again.
var lateStatements = map[string]string{
	"job": `insert into cron_job
select w.start + interval '1 ms', d.job, sum(s.value)
from unnest($1::timestamptz[]) w(start)
join sample s on s.ts > w.start and s.ts <= w.start + interval '1 minute'
join series d on d.id = s.series group by 1, 2
on conflict (bucket, job) do update set total = excluded.total`,
	"series": `insert into cron_series
select w.start + interval '1 ms', s.series, sum(s.value)
from unnest($1::timestamptz[]) w(start)
join sample s on s.ts > w.start and s.ts <= w.start + interval '1 minute' group by 1, 2
on conflict (bucket, series) do update set total = excluded.total`,
}
