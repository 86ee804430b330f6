package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"laminar/server/view"
)

// Refill is a refill that is asked for at every due time of its schedule. From
// and To are times as people type them (view.ParseTime), relative to the due
// time; an empty To is the due time itself. It covers windows with
// from < end <= to.
//
// A plan is there for what live data cannot bring: a flow that drops late
// samples, or one whose sources are corrected after the fact. Nothing in
// Laminar needs it.
type Refill struct {
	Flow     string // as in `laminar refill`: a title, or a name that one flow has
	Schedule string // see ParseSchedule
	From     string // the windows' ends are later
	To       string // and not later than this
}

// Validate says which field cannot be meant, at a due time like now.
func (r Refill) Validate(now time.Time) error {
	if r.Flow == "" {
		return errors.New("flow is empty")
	}
	if _, err := ParseSchedule(r.Schedule); err != nil {
		return fmt.Errorf("schedule is %q: %w", r.Schedule, err)
	}
	from, to, err := r.span(now)
	if err != nil {
		return err
	}
	if !from.Before(to) {
		return fmt.Errorf("from is %q and to %q: want from before to", r.From, r.To)
	}
	return nil
}

// span is the plan's span at a due time. It is a function of the due time, which
// all processes share, so they would all ask for the same windows (U1).
func (r Refill) span(due time.Time) (from, to time.Time, err error) {
	if from, err = view.ParseTime(r.From, due); err != nil {
		return from, to, fmt.Errorf("from: %w", err)
	}
	to = due
	if r.To != "" {
		if to, err = view.ParseTime(r.To, due); err != nil {
			return from, to, fmt.Errorf("to: %w", err)
		}
	}
	return from, to, nil
}

// task names the plan in the database, the same in all processes. Plans of one
// flow with different spans are different tasks: they may be due at one time.
func (r Refill) task() string { return fmt.Sprintf("refill %s from %s to %s", r.Flow, r.From, r.To) }

// refillStore makes the job of a due time, in the one process that gets it.
type refillStore interface {
	CreateDueRefill(ctx context.Context, task string, due time.Time, name string, from, to int64) (ids []int64, taken bool, err error)
}

// ask asks for the refill that is due; the flownode does it, within the flow's
// rounds. Another process may have asked already: taken is false then.
//
// A refill that is refused (there is no such flow, or its raw samples are gone)
// leaves the due time open, so each process that asks reports it.
func (r Refill) ask(ctx context.Context, store refillStore, log *slog.Logger, due time.Time) (taken bool, err error) {
	from, to, err := r.span(due)
	if err != nil {
		return false, err
	}
	ids, taken, err := store.CreateDueRefill(ctx, r.task(), due, r.Flow, from.UnixMilli(), to.UnixMilli())
	if err == nil && taken {
		log.Info("planned refill", "flow", r.Flow, "jobs", ids)
	}
	return taken, err
}
