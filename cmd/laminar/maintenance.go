package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
	"golang.org/x/sync/errgroup"

	"laminar/sequence"
	"laminar/sqlstore"
)

// maintenance does what is due by schedules: the raw data is looked after, and
// planned refills are asked for. Each task has a goroutine of its own, so that
// sealing, which may wait for flows, holds up nothing else.
type maintenance struct {
	tasks    []*task
	log      *slog.Logger
	failures *prometheus.CounterVec
	last     *prometheus.GaugeVec
}

// task is one thing that is done by a schedule.
type task struct {
	name     string
	schedule cron.Schedule
	do       func(ctx context.Context, due time.Time) error
}

// newMaintenance makes the tasks of a configuration that is valid; they begin
// with run.
func newMaintenance(c *config, store *sqlstore.Store, log *slog.Logger, reg prometheus.Registerer) (*maintenance, error) {
	m := &maintenance{
		log: log,
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "laminar", Subsystem: "maintenance", Name: "failures_total",
			Help: "Scheduled work that failed; it is tried again when it is due again.",
		}, []string{"task"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "laminar", Subsystem: "maintenance", Name: "last_success_timestamp_seconds",
			Help: "When scheduled work last succeeded.",
		}, []string{"task"}),
	}
	keeper := &rawKeeper{config: c, store: store, log: log}
	if err := m.add("seal", c.Maintenance, keeper.seal); err != nil {
		return nil, err
	}
	if err := m.add("retain", c.Maintenance, keeper.retain); err != nil {
		return nil, err
	}
	if c.Verify.Schedule != "" {
		part, err := parsePart(c.Verify.Sample)
		if err != nil {
			return nil, fmt.Errorf("verify.sample: %w", err)
		}
		if err := m.add("verify", c.Verify.Schedule, newDriftWatch(store, part, log, reg).run); err != nil {
			return nil, err
		}
	}
	for _, plan := range c.Refills {
		if err := m.add("refill "+plan.Flow, plan.Schedule, plan.asker(store, log)); err != nil {
			return nil, err
		}
	}
	reg.MustRegister(m.failures, m.last)
	return m, nil
}

func (m *maintenance) add(name, schedule string, do func(context.Context, time.Time) error) error {
	// Only the parser is used: the library's runner has a clock and goroutines
	// of its own.
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return fmt.Errorf("schedule of %s: %w", name, err)
	}
	m.failures.WithLabelValues(name)
	m.tasks = append(m.tasks, &task{name: name, schedule: s, do: do})
	return nil
}

// run does what is due until ctx ends. It returns when all tasks have.
func (m *maintenance) run(ctx context.Context) error {
	var tasks errgroup.Group
	for _, t := range m.tasks {
		tasks.Go(func() error {
			m.loop(ctx, t)
			return nil
		})
	}
	return tasks.Wait()
}

// loop does one task whenever it is due. What became due again while it was
// done is done once, late.
func (m *maintenance) loop(ctx context.Context, t *task) {
	due := t.schedule.Next(time.Now())
	for {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		m.do(ctx, t, due)
		due = t.schedule.Next(time.Now())
	}
}

func (m *maintenance) do(ctx context.Context, t *task, due time.Time) {
	err := t.do(ctx, due)
	switch {
	case err == nil:
		m.last.WithLabelValues(t.name).SetToCurrentTime()
	case ctx.Err() == nil:
		m.failures.WithLabelValues(t.name).Inc()
		level := slog.LevelError
		if errors.Is(err, sequence.ErrUnavailable) { // or another process is at it
			level = slog.LevelWarn
		}
		m.log.Log(ctx, level, "maintenance failed; it is tried again when it is due again", "task", t.name, "err", err)
	}
}

// asker asks for the refill; the flownode does it. Times are relative to when
// the schedule said, which is the same in all processes: one of them asks, the
// others find that it has been done.
func (r refillPlan) asker(store *sqlstore.Store, log *slog.Logger) func(context.Context, time.Time) error {
	return func(ctx context.Context, due time.Time) error {
		from, err := parseTime(r.From, due)
		if err != nil {
			return err
		}
		to, err := r.until(due)
		if err != nil {
			return err
		}
		jobs, err := store.ListJobs(ctx, recentJobs)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.FlowName == r.Flow && j.From == from.UnixMilli() && j.To == to.UnixMilli() {
				return nil
			}
		}
		id, err := store.CreateRefill(ctx, r.Flow, from.UnixMilli(), to.UnixMilli())
		if err != nil {
			return err
		}
		log.Info("planned refill", "flow", r.Flow, "job", id)
		return nil
	}
}

// recentJobs is among how many of the newest jobs one is looked for.
const recentJobs = 100
