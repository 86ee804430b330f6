package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
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

// restart kills Laminar and Prometheus, which hold the same hour of samples,
// and measures how long each takes to come back: one after the other, on an
// idle machine.
func (b *bench) restart(ctx context.Context) error {
	t, err := b.ticksOf(ctx)
	if err != nil {
		return err
	}
	if err := t.fill(ctx, b.plan.tickHour); err != nil { // ticks have done it, if they were measured
		return err
	}
	if err := t.laminar.apply(ctx, restartFlows); err != nil {
		return err
	}
	// Until windows have closed, so that there is something to compare.
	if err := t.store(ctx, 2*perMinute); err != nil {
		return err
	}
	if _, err := t.laminar.awaitFlows(ctx); err != nil {
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
	took, err := t.laminar.db.readHot(ctx)
	if err != nil {
		return err
	}
	b.add(8, restartRead, "ms", ms(took))
	if err := b.releaseTicks(ctx); err != nil {
		return err
	}
	if err := b.report.AtMost(8, "ready for writes over Prometheus's WAL replay", restartReady, restartReplay, 0.1); err != nil {
		return err
	}
	return b.report.AtMost(8, "flows caught up over Prometheus's WAL replay", restartCaughtUp, restartReplay, 0.5)
}

func (t *tickWork) crashPrometheus(ctx context.Context) error {
	t.prom.kill()
	p, err := t.b.launchPrometheus(t.prom.dir)
	if err != nil {
		return err
	}
	t.prom = p
	t.toP.close()
	took, err := p.awaitReady(ctx, "/-/ready")
	if err != nil {
		return err
	}
	t.b.add(8, restartReplay, "ms", ms(took))
	t.connect()
	return nil
}

func (t *tickWork) crashLaminar(ctx context.Context) error {
	l := t.scrapes.prepare(t.next, t.next+1, t.b.plan.connections)
	rows := t.scrapes.prepareRows(t.next, t.next+1)
	first := l.lanes[0][0]
	l.lanes[0] = l.lanes[0][1:]
	db := t.laminar.db
	t.laminar.kill()
	t.toL.close()
	p, err := t.b.launchLaminar(db, "")
	if err != nil {
		return err
	}
	t.laminar = p
	t.connect()
	up, err := p.awaitReady(ctx, "/-/ready")
	if err != nil {
		return err
	}
	if err := t.toL.post(ctx, first.body); err != nil {
		return err
	}
	ready := time.Since(p.started)
	if _, err := t.toL.send(ctx, l); err != nil {
		return err
	}
	shown, err := p.awaitFlows(ctx)
	if err != nil {
		return err
	}
	t.next++
	t.b.add(8, restartUp, "ms", ms(up))
	t.b.add(8, restartReady, "ms", ms(ready))
	t.b.add(8, restartCaughtUp, "ms", ms(shown.Sub(p.started)))
	// The others get the scrape too, so that all hold the same.
	l.lanes[0] = append([]request{first}, l.lanes[0]...)
	if _, err := t.toP.send(ctx, l); err != nil {
		return err
	}
	if _, err := t.rows.copyRows(ctx, rows); err != nil {
		return err
	}
	return t.checkSame(ctx)
}

// checkSame compares what the flow of an hour shows for the last closed window
// with what Prometheus computes.
func (t *tickWork) checkSame(ctx context.Context) error {
	var end time.Time
	if err := t.laminar.db.conn.QueryRow(ctx, `select to_timestamp(emitted_until / 1000.0) from laminar.flow where name = 'restart_1h'`).Scan(&end); err != nil {
		return err
	}
	want, err := t.prom.query(ctx, "sum by (job) (rate(http_requests_total[1h]))", end)
	if err != nil {
		return err
	}
	if err := t.compare(ctx, "flow.restart_1h", end, want); err != nil {
		return fmt.Errorf("after a restart (logs in %s): %w", filepath.Dir(t.laminar.log), err)
	}
	return nil
}
