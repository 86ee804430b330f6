package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

func (a *app) retentionCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{
		Use:   "retention",
		Short: "Show what is kept of the raw samples, confirm a large step, or take one back",
	})
	cmd.AddCommand(a.retentionShowCommand(), a.retentionConfirmCommand(), a.retentionRestoreCommand())
	return cmd
}

func (a *app) retentionShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show what is given up, dropped and held back",
		Example: "  laminar retention show",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				r, loss, err := readRetention(ctx, store)
				if err != nil {
					return err
				}
				return a.print(retentionTable(r, loss))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) retentionConfirmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Give up what retention holds back",
		Long: "Give up what retention holds back. A step of more than a day waits for this: the\n" +
			"database's clock may have jumped, or raw.retention may have become shorter. `laminar\n" +
			"retention show` says what it gives up. Until raw.retention_grace is over, `laminar\n" +
			"retention restore` takes it back.",
		Example: "  laminar retention confirm",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				held, _, err := readRetention(ctx, store)
				if err != nil {
					return err
				}
				if _, err := store.Retainer.Confirm(ctx, held); err != nil {
					return err
				}
				r, loss, err := readRetention(ctx, store)
				if err != nil {
					return err
				}
				return a.print(retentionTable(r, loss))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) retentionRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Take back what retention has given up and not dropped yet",
		Long: "Take back what retention has given up and not dropped yet: for raw.retention_grace\n" +
			"after it was given up. Put the clock or the setting right first, or retention gives\n" +
			"it up again. Windows that were left out meanwhile are computed by `laminar refill`.",
		Example: "  laminar retention restore",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				was, is, err := store.Retainer.Restore(ctx)
				if err != nil {
					return err
				}
				s := view.NewRestored(was, is)
				note := fmt.Sprintf("samples before %s were given up; those from %s on are back", s.Was, s.Is)
				if is == 0 {
					note = fmt.Sprintf("samples before %s were given up; all of them are back", s.Was)
				}
				return a.print(term.Table{Note: note, Data: s})
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func readRetention(ctx context.Context, store *sqlstore.Store) (raw.Retention, raw.Loss, error) {
	r, err := store.Retainer.Retention(ctx)
	if err != nil {
		return r, raw.Loss{}, err
	}
	loss, err := store.Retainer.Loss(ctx, r)
	return r, loss, err
}

func retentionTable(r raw.Retention, loss raw.Loss) term.Table {
	s := view.NewRetention(r, loss)
	return term.Table{
		Head: []string{"kept", "given up before", "dropped before", "last step", "database's clock", "newest sample"},
		Rows: [][]string{{s.Kept, s.Earliest, s.Dropped, s.LastStep, s.Clock, s.Newest}},
		Note: warnRetention(s),
		Data: s,
	}
}

// retentionWarning is what `status` says of retention, nothing when all is well.
func retentionWarning(st sqlstore.Status) term.Table {
	return term.Table{Note: warnRetention(view.NewRetention(st.Retention, st.Loss))}
}

// warnRetention says what a person has to decide, "" for nothing.
func warnRetention(s view.Retention) string {
	switch {
	case s.Future:
		return fmt.Sprintf("WARNING: samples before %s are refused, but the database's clock says %s: the clock was ahead when retention was applied; "+
			"try: laminar retention restore", s.Earliest, s.Clock)
	case s.Held != nil:
		return fmt.Sprintf("WARNING: retention is held back since %s: it would give up samples from %s to %s, about %s, which is more than a day at once; "+
			"try: laminar retention confirm, if the database's clock (%s) and raw.retention (%s) are right",
			s.Held.Since, s.Held.From, s.Held.To, flowdef.FormatCount(s.Held.Segments, "segment"), s.Clock, s.Kept)
	}
	return ""
}
