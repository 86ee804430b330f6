package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/progress"
	"laminar/server/view"
	"laminar/sqlstore"
)

func (a *app) jobCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{Use: "job", Short: "Inspect refills and other long-running work"})
	cmd.AddCommand(a.jobListCommand(), a.jobShowCommand(), a.jobCancelCommand())
	return cmd
}

func (a *app) jobListCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, newest first",
		Example: "  laminar job list --limit 5",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				jobs, err := store.Jobs.List(ctx, limit)
				if err != nil {
					return err
				}
				return a.print(jobTable(jobs))
			})
		},
	}
	addLimitFlag(cmd, &limit, 50, "maximum number of jobs to list")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) jobShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one job",
		Example: "  laminar job show 7",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := jobID(args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				job, err := store.Jobs.Show(ctx, id)
				if err != nil {
					return err
				}
				return a.print(jobTable([]progress.Job{job}))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) jobCancelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cancel ID",
		Short:   "Cancel a job; the windows that it has computed stay",
		Example: "  laminar job cancel 7",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := jobID(args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				if err := store.Jobs.Cancel(ctx, id); err != nil {
					return err
				}
				job, err := store.Jobs.Show(ctx, id)
				if err != nil {
					return err
				}
				return a.print(term.Table{Note: fmt.Sprintf("job %d is %s", id, job.State), Data: view.NewJob(job)})
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func jobID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, &usageError{err: fmt.Errorf("%q is not the number of a job", text), hint: "laminar job list"}
	}
	return id, nil
}

func jobTable(jobs []progress.Job) term.Table {
	t := term.Table{Head: []string{"id", "kind", "flow", "from", "to", "done up to", "windows", "rows", "state"}}
	data := view.Each(jobs, view.NewJob)
	for _, s := range data {
		how := s.State
		if s.Error != "" {
			how += ": " + s.Error
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(s.ID, 10), s.Kind, s.Flow, s.From, s.To, s.DoneUpTo,
			strconv.FormatInt(s.Windows, 10), strconv.FormatInt(s.Rows, 10), how,
		})
	}
	t.Data = data
	if len(jobs) == 0 {
		t = term.Table{Data: data, Note: "no jobs"}
	}
	return t
}
