package main

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/workload"
)

// tickAndRestart runs scenarios 3 and 8: the ticks leave the hour of samples that
// a restart has to read.
func tickAndRestart(ctx context.Context, b *harness.Bench) error {
	t, err := newTickWork(ctx, b)
	if err != nil {
		return fmt.Errorf("set up scenarios 3 and 8: %w", err)
	}
	defer t.close()
	if err := b.Scenario(ctx, 3, func(ctx context.Context) error { return tick(ctx, t) }); err != nil {
		return err
	}
	if err := b.Scenario(ctx, 8, func(ctx context.Context) error { return restart(ctx, t) }); err != nil {
		return err
	}
	return t.stop(ctx)
}

// restartFlows leave trigger and emission to the defaults, as most users do.
const restartFlows = `flows:
  - name: restart_5m
    promql: sum by (job) (rate(http_requests_total[5m]))
    every: 1m
  - name: restart_1h
    promql: sum by (job) (rate(http_requests_total[1h]))
    every: 1m
`

// Names of figures of scenario 8.
const (
	restartUp       = "Laminar: until it is ready"
	restartReady    = "Laminar: until a request is acknowledged"
	restartCaughtUp = "Laminar: until the flows show one more scrape"
	restartRead     = "PostgreSQL: the same hour's segments by COPY, thrown away"
	restartReplay   = "Prometheus: until it is ready, its WAL replayed"
)

// restart kills Laminar and Prometheus, which hold the same hour of samples,
// and measures how long each takes to come back: one after the other, on an
// idle machine.
func restart(ctx context.Context, t *tickWork) error {
	b := t.b
	if err := t.fill(ctx, b.Plan.TickHour); err != nil { // scenario 3 has done it, if it was run
		return err
	}
	if err := t.laminar.Apply(ctx, restartFlows); err != nil {
		return err
	}
	// Two minutes more close a window, so that there is something to compare.
	if err := t.store(ctx, 2*workload.PerMinute); err != nil {
		return err
	}
	if _, err := t.laminar.AwaitFlows(ctx); err != nil {
		return err
	}
	for range min(b.Plan.Rounds, 2) { // each takes long and differs little
		if err := t.crashPrometheus(ctx); err != nil {
			return err
		}
		if err := t.crashLaminar(ctx); err != nil {
			return err
		}
	}
	took, err := t.laminar.ReadHot(ctx)
	if err != nil {
		return err
	}
	b.Add(8, restartRead, "ms", harness.MS(took))
	if err := b.Report.AtMost(8, "ready for writes over Prometheus's WAL replay", restartReady, restartReplay, 0.1); err != nil {
		return err
	}
	return b.Report.AtMost(8, "flows caught up over Prometheus's WAL replay", restartCaughtUp, restartReplay, 0.5)
}

// crashPrometheus kills Prometheus and measures how long it replays its WAL.
func (t *tickWork) crashPrometheus(ctx context.Context) error {
	t.prom.Kill()
	p, err := t.b.Lab.LaunchPrometheus(t.prom.Dir)
	if err != nil {
		return err
	}
	t.prom = p
	t.toP.Close()
	took, err := p.AwaitReady(ctx, "/-/ready")
	if err != nil {
		return err
	}
	t.b.Add(8, restartReplay, "ms", harness.MS(took))
	t.connect()
	return nil
}

// crashLaminar kills Laminar and measures how long it takes until it is ready,
// until it acknowledges a request, and until its flows show the scrape that the
// request belongs to.
func (t *tickWork) crashLaminar(ctx context.Context) error {
	l := t.scrapes.Prepare(t.next, t.next+1, t.b.Plan.Connections)
	rows := t.scrapes.PrepareRows(t.next, t.next+1)
	first := l.Lanes[0][0]
	l.Lanes[0] = l.Lanes[0][1:]
	db := t.laminar.DB
	t.laminar.Kill()
	t.toL.Close()
	p, err := t.b.Lab.LaunchLaminar(db, "")
	if err != nil {
		return err
	}
	t.laminar = p
	t.connect()
	up, err := p.AwaitReady(ctx, "/-/ready")
	if err != nil {
		return err
	}
	if err := t.toL.Post(ctx, first.Body); err != nil {
		return err
	}
	ready := time.Since(p.Started)
	if _, err := t.toL.Send(ctx, l); err != nil {
		return err
	}
	shown, err := p.AwaitFlows(ctx)
	if err != nil {
		return err
	}
	t.next++
	t.b.Add(8, restartUp, "ms", harness.MS(up))
	t.b.Add(8, restartReady, "ms", harness.MS(ready))
	t.b.Add(8, restartCaughtUp, "ms", harness.MS(shown.Sub(p.Started)))
	// The peers get the scrape too, so that all hold the same samples.
	l.Lanes[0] = append([]workload.Request{first}, l.Lanes[0]...)
	if _, err := t.toP.Send(ctx, l); err != nil {
		return err
	}
	if _, err := t.rows.CopyRows(ctx, rows); err != nil {
		return err
	}
	return t.checkSame(ctx)
}

// checkSame compares what the flow of an hour shows for the last closed window
// with what Prometheus computes.
func (t *tickWork) checkSame(ctx context.Context) error {
	var end time.Time
	if err := t.laminar.DB.Conn.QueryRow(ctx, `select to_timestamp(emitted_until / 1000.0) from laminar.flow where name = 'restart_1h'`).Scan(&end); err != nil {
		return err
	}
	want, err := t.prom.Query(ctx, "sum by (job) (rate(http_requests_total[1h]))", end)
	if err != nil {
		return err
	}
	if err := t.compare(ctx, "flow.restart_1h", end, want); err != nil {
		return fmt.Errorf("after a restart: %w\n%s", err, t.laminar.LastWords())
	}
	return nil
}
