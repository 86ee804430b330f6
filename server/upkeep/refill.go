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
type Refill struct {
	Flow     string
	Schedule string
	From, To string
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
	CreateDueRefill(ctx context.Context, task string, due time.Time, name string, from, to int64) (id int64, taken bool, err error)
}

// ask asks for the refill that is due; the flownode does it. Another process may
// have asked already: taken is false then.
func (r Refill) ask(ctx context.Context, store refillStore, log *slog.Logger, due time.Time) (taken bool, err error) {
	from, to, err := r.span(due)
	if err != nil {
		return false, err
	}
	id, taken, err := store.CreateDueRefill(ctx, r.task(), due, r.Flow, from.UnixMilli(), to.UnixMilli())
	if err == nil && taken {
		log.Info("planned refill", "flow", r.Flow, "job", id)
	}
	return taken, err
}
