package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"laminar/cmd/bench/lab"
)

// restartFlows have the defaults of users: trigger, provisional results.
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

// measureRestart kills Laminar and Prometheus, which hold the same hour of samples,
// and measures how long each takes to come back: one after the other, on an
// idle machine.
func measureRestart(ctx context.Context, b *bench) error {
	t, err := ticksOf(ctx, b)
	if err != nil {
		return err
	}
	if err := t.fill(ctx, b.plan.tickHour); err != nil { // ticks have done it, if they were measured
		return err
	}
	if err := t.laminar.Apply(ctx, restartFlows); err != nil {
		return err
	}
	// Until windows have closed, so that there is something to compare.
	if err := t.store(ctx, 2*lab.PerMinute); err != nil {
		return err
	}
	if _, err := t.laminar.AwaitFlows(ctx); err != nil {
		return err
	}
	for range min(b.plan.rounds, 2) { // each takes long and differs little
		if err := t.crashPrometheus(ctx); err != nil {
			return err
		}
		if err := t.crashLaminar(ctx); err != nil {
			return err
		}
	}
	took, err := t.laminar.DB.ReadHot(ctx)
	if err != nil {
		return err
	}
	b.add(8, restartRead, "ms", ms(took))
	if err := releaseTicks(ctx, b); err != nil {
		return err
	}
	if err := b.report.AtMost(8, "ready for writes over Prometheus's WAL replay", restartReady, restartReplay, 0.1); err != nil {
		return err
	}
	return b.report.AtMost(8, "flows caught up over Prometheus's WAL replay", restartCaughtUp, restartReplay, 0.5)
}

func (t *tickWork) crashPrometheus(ctx context.Context) error {
	t.prom.Kill()
	p, err := t.b.LaunchPrometheus(t.prom.Dir)
	if err != nil {
		return err
	}
	t.prom = p
	t.toP.Close()
	took, err := p.AwaitReady(ctx, "/-/ready")
	if err != nil {
		return err
	}
	t.b.add(8, restartReplay, "ms", ms(took))
	t.connect()
	return nil
}

func (t *tickWork) crashLaminar(ctx context.Context) error {
	l := t.scrapes.Prepare(t.next, t.next+1, lab.Connections)
	rows := t.scrapes.PrepareRows(t.next, t.next+1)
	first := l.Lanes[0][0]
	l.Lanes[0] = l.Lanes[0][1:]
	db := t.laminar.DB
	t.laminar.Kill()
	t.toL.Close()
	p, err := t.b.LaunchLaminar(db, "")
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
	t.b.add(8, restartUp, "ms", ms(up))
	t.b.add(8, restartReady, "ms", ms(ready))
	t.b.add(8, restartCaughtUp, "ms", ms(shown.Sub(p.Started)))
	// The others get the scrape too, so that all hold the same.
	l.Lanes[0] = append([]lab.Request{first}, l.Lanes[0]...)
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
		return fmt.Errorf("after a restart (logs in %s): %w", filepath.Dir(t.laminar.Log), err)
	}
	return nil
}
