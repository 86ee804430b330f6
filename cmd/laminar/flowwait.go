package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// pollEvery is how often waiting commands look again.
const pollEvery = 200 * time.Millisecond

func (a *app) flowWaitCommand() *cobra.Command {
	var timeout string
	cmd := &cobra.Command{
		Use:   "wait [NAME...]",
		Short: "Wait until flows include everything that is committed now",
		Long: "Wait until the tables of the named flows (by default, of all flows) include every\n" +
			"sample that is committed at the time of the call, in every closed window. Open\n" +
			"windows are not waited for.",
		Example: "  laminar flow wait\n  laminar flow wait http_requests:rate5m --timeout 2m",
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := parseDuration(timeout)
			if err != nil {
				return fmt.Errorf("--timeout: %w", err)
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				return a.waitForFlows(ctx, store, args, limit)
			})
		},
	}
	cmd.Flags().StringVar(&timeout, "timeout", "0s", "give up after this long, with exit code 3; 0s never gives up")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) waitForFlows(ctx context.Context, store *sqlstore.Store, names []string, limit time.Duration) error {
	vec, err := store.Reader.CurrentVector(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = nil // all of them
	}
	var behind []flowstore.Behind
	began := time.Now()
	err = poll(ctx, limit, func(ctx context.Context) (bool, error) {
		var err error
		if behind, err = store.Catalogue.Behind(ctx, names, vec); err != nil {
			return false, err
		}
		if stuck := stalledSince(behind, began); stuck != nil {
			return false, stuck
		}
		return len(behind) == 0, nil
	})
	waited := view.Waited{Vector: vec.String(), CaughtUp: err == nil, Behind: view.Each(behind, view.NewBehind)}
	var stuck *stalledError
	if a.output == "json" && (err == nil || errors.Is(err, errTooLong) || errors.As(err, &stuck)) {
		if err := term.WriteJSON(a.stdout, waited); err != nil {
			return err
		}
	}
	if errors.Is(err, errTooLong) {
		return &timeoutError{err: fmt.Errorf("not caught up with %s after %s: %s", vec, view.FormatDuration(limit), describeBehind(behind))}
	}
	if err != nil {
		return err
	}
	if a.output == "json" {
		return nil
	}
	return term.Say(a.stdout, "caught up with %s\n", vec)
}

// stalledError says that flows stand still, so that waiting for them is in vain.
type stalledError struct{ flows []flowstore.Behind }

func (e *stalledError) Error() string {
	words := make([]string, len(e.flows))
	for i, b := range e.flows {
		words[i] = b.Flow + " stands still: " + b.Error
	}
	return strings.Join(words, "; ")
}

// Hint tells what to do about the first of them that is known.
func (e *stalledError) Hint() string {
	for _, b := range e.flows {
		if b.Hint != "" {
			return b.Hint
		}
	}
	return ""
}

// stalledSince is those of the flows that were seen to stand still since a time, as
// an error; nil for none. What was seen before may have been mended.
func stalledSince(behind []flowstore.Behind, since time.Time) error {
	var stuck []flowstore.Behind
	for _, b := range behind {
		if b.Seen != sequence.NoTime && time.Duration(b.Seen)*time.Millisecond < time.Since(since) {
			stuck = append(stuck, b)
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	return &stalledError{stuck}
}

func describeBehind(behind []flowstore.Behind) string {
	words := make([]string, len(behind))
	for i, b := range behind {
		words[i] = b.Flow + " " + b.Reason
		if b.Error != "" {
			words[i] += " (" + b.Error + ")"
		}
	}
	return strings.Join(words, "; ")
}

// How waiting can end early.
var (
	errTooLong     = errors.New("took too long")
	errInterrupted = errors.New("interrupted")
)

// poll asks done again and again until it says yes, which is nil; errTooLong
// comes after limit, if that is not 0, errInterrupted when ctx ends. A database
// that is away for a moment is waited for.
func poll(ctx context.Context, limit time.Duration, done func(context.Context) (bool, error)) error {
	var deadline <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		deadline = timer.C
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		ok, err := done(ctx)
		if err != nil && !errors.Is(err, sequence.ErrUnavailable) {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-deadline:
			return errTooLong
		case <-ticker.C:
		}
	}
}
