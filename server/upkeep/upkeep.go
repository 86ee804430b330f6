package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/sqlstore"
)

// Config is what is done, and when. Processes of one installation usually have
// the same one. Where they differ, each task is due whenever one of them says so,
// and is done with the bounds of the process that takes it.
type Config struct {
	// Schedule is when the raw data is looked at: whether to seal, what is
	// older than Retention, which tables can be dropped, which series have no samples. A look is cheap, so it
	// should come often against Seal.After and Retention.
	Schedule  string
	Seal      Seal
	Retention time.Duration // of raw samples; 0 keeps them
	// RetentionGrace is how long samples are kept that are given up: so long a person
	// can take it back.
	RetentionGrace time.Duration
	AlertHistory   time.Duration // of changes of alerts; 0 keeps them
	ChangeLog      time.Duration // how long who follows results can go on where it was
	Verify         Verify
	Refills        []Refill
}

// Times of waiting for a due time.
const (
	// lookEvery is how often the database's clock is read again while a due
	// time is waited for: it may be set meanwhile.
	lookEvery = 5 * time.Minute
	// clockRetry is the pause after the clock could not be read.
	clockRetry = time.Second
	// setBack is how far the database's clock may be behind the newest due time
	// before it counts as set back; timers are exact to much less.
	setBack = time.Minute
)

// calendar is the database's clock, and who has taken which due time (U2). Both
// may be asked by all tasks at once.
type calendar interface {
	Now(ctx context.Context) (time.Time, error)
	TakeDue(ctx context.Context, task string, due time.Time) (taken bool, err error)
}

// Upkeep does the scheduled work of one process. Each task has a goroutine of
// its own while Run runs, so that sealing, which may wait for flows, holds up
// nothing else.
type Upkeep struct {
	calendar calendar
	tasks    []*task                     // not changed while Run runs
	begin    func(context.Context) error // what Run does first
	log      *slog.Logger
	failures *prometheus.CounterVec
	last     *prometheus.GaugeVec
}

// task is one thing that is done by a schedule. do does what is due at a time,
// unless another process has taken that.
type task struct {
	name     string // for the log and the metrics; plans of one flow share it
	schedule Schedule
	do       func(ctx context.Context, due time.Time) (taken bool, err error)
}

// New makes the upkeep that c says; nothing is done before Run. The verifier
// reads from the same database as the store.
func New(c Config, store *sqlstore.Store, verifier *verify.Verifier, log *slog.Logger, reg prometheus.Registerer) (*Upkeep, error) {
	u := newUpkeep(store.Jobs, log, reg)
	raw := newRawKeeper(c, store.Keeper, store.Retainer, log, reg)
	u.begin = raw.look
	if err := u.add("seal", c.Schedule, u.alone("seal", raw.seal)); err != nil {
		return nil, err
	}
	if err := u.add("retain", c.Schedule, raw.thenLook(u.alone("retain", raw.retain))); err != nil {
		return nil, err
	}
	if err := u.add("lapse", c.Schedule, u.alone("lapse", newLapse(store.Remover, log, reg).run)); err != nil {
		return nil, err
	}
	if err := u.add("changes", c.Schedule, u.alone("changes", pruneChanges(store.Changes, store.Expiry, c.ChangeLog, log))); err != nil {
		return nil, err
	}
	if err := u.add("late", c.Schedule, u.alone("late", byClock(store.Expiry, lateSamples.removed(store.Late.Forget, log), log))); err != nil {
		return nil, err
	}
	if err := u.add("results", c.Schedule, u.alone("results", byClock(store.Expiry, oldResults.removed(store.Expiry.Delete, log), log))); err != nil {
		return nil, err
	}
	if c.AlertHistory > 0 {
		prune := func(ctx context.Context, now sequence.Time) (int64, error) {
			return store.Alerts.Prune(ctx, now-c.AlertHistory.Milliseconds())
		}
		if err := u.add("alerts", c.Schedule, u.alone("alerts", byClock(store.Expiry, alertChanges.removed(prune, log), log))); err != nil {
			return nil, err
		}
	}
	if c.Verify.Schedule != "" {
		drift := newDriftWatch(store.Catalogue, verifier, store.Changes, c.Verify.Sample, log, reg)
		if err := u.add("verify", c.Verify.Schedule, u.alone("verify", drift.run)); err != nil {
			return nil, err
		}
	}
	for _, plan := range c.Refills {
		ask := func(ctx context.Context, due time.Time) (bool, error) { return plan.ask(ctx, store.Jobs, log, due) }
		if err := u.add("refill "+plan.Flow, plan.Schedule, ask); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func newUpkeep(c calendar, log *slog.Logger, reg prometheus.Registerer) *Upkeep {
	u := &Upkeep{
		calendar: c, log: log,
		begin: func(context.Context) error { return nil },
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "laminar", Subsystem: "maintenance", Name: "failures_total",
			Help: "Scheduled work that failed; it is tried again when it is due again.",
		}, []string{"task"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "laminar", Subsystem: "maintenance", Name: "last_success_timestamp_seconds",
			Help: "When this process last did scheduled work with success; of several processes one does what is due.",
		}, []string{"task"}),
	}
	reg.MustRegister(u.failures, u.last)
	return u
}

func (u *Upkeep) add(name, schedule string, do func(context.Context, time.Time) (bool, error)) error {
	s, err := ParseSchedule(schedule)
	if err != nil {
		return fmt.Errorf("schedule of %s: %w", name, err)
	}
	u.failures.WithLabelValues(name)
	u.tasks = append(u.tasks, &task{name: name, schedule: s, do: do})
	return nil
}

// alone does the work of a due time in the one process that takes it (U2). key
// names the task in the database.
func (u *Upkeep) alone(key string, work func(context.Context, time.Time) error) func(context.Context, time.Time) (bool, error) {
	return func(ctx context.Context, due time.Time) (bool, error) {
		taken, err := u.calendar.TakeDue(ctx, key, due)
		if err != nil || !taken {
			return taken, err
		}
		return true, work(ctx, due)
	}
}

// Run does what is due until ctx ends. It returns when all tasks have.
func (u *Upkeep) Run(ctx context.Context) error {
	if err := u.begin(ctx); err != nil && ctx.Err() == nil {
		u.log.Warn("maintenance could not look at the raw data; it does when it is due", "err", err)
	}
	var tasks errgroup.Group
	for _, t := range u.tasks {
		tasks.Go(func() error {
			u.loop(ctx, t)
			return nil
		})
	}
	return tasks.Wait()
}

// loop does one task whenever it is due. What became due again while it was
// done is left to other processes. It returns when ctx has ended.
//
// Each turn reads the database's clock and waits for the next due time by a timer
// of this process. Timer and clock differ a little, so newest, the last due time,
// bounds the next one from below: with a timer that was early, now would still
// be before the due time that has just been looked at. A clock that is set back
// by more than setBack makes the loop forget newest, and sqlstore forgets what
// was taken in the future likewise, or nothing would be done until the clock has
// come there again.
func (u *Upkeep) loop(ctx context.Context, t *task) {
	var newest time.Time // the last due time; each is looked at once
	for {
		now, ok := u.now(ctx, t)
		if !ok {
			return
		}
		if newest.Before(now) || newest.Sub(now) > setBack {
			newest = now
		}
		due := t.schedule.Next(newest)
		wait := due.Sub(now)
		if due.IsZero() || wait > lookEvery {
			if !sleep(ctx, lookEvery) {
				return
			}
			continue
		}
		if !sleep(ctx, wait) {
			return
		}
		newest = due
		u.do(ctx, t, due)
	}
}

// now reads the database's clock, and tries again while it cannot. It reports
// whether ctx has not ended meanwhile.
func (u *Upkeep) now(ctx context.Context, t *task) (now time.Time, ok bool) {
	for said := false; ; said = true {
		now, err := u.calendar.Now(ctx)
		if err == nil {
			return now, true
		}
		if !said && ctx.Err() == nil {
			u.log.Warn("maintenance waits for the database", "task", t.name, "err", err)
		}
		if !sleep(ctx, clockRetry) {
			return time.Time{}, false
		}
	}
}

// do does what is due. A failure is not repeated before the next due time: work
// that fails at once would fail again, and all of it is looked at afresh then.
func (u *Upkeep) do(ctx context.Context, t *task, due time.Time) {
	taken, err := t.do(ctx, due)
	switch {
	case err == nil && taken:
		u.last.WithLabelValues(t.name).SetToCurrentTime()
	case err != nil && ctx.Err() == nil:
		u.failures.WithLabelValues(t.name).Inc()
		level := slog.LevelError
		// The database is away, which others report louder, or another
		// process holds what is needed.
		if errors.Is(err, sequence.ErrUnavailable) {
			level = slog.LevelWarn
		}
		u.log.Log(ctx, level, "maintenance failed; it is tried again when it is due again", "task", t.name, "err", err)
	}
}

// sleep waits, and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
