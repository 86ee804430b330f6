package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

func (a *app) refillCommand() *cobra.Command {
	var from, to string
	var noWait, cascade, plan bool
	cmd := &cobra.Command{
		Use:   "refill NAME --from T --to T",
		Short: "Recompute a flow's windows from all raw samples",
		Long: "Recompute, from all raw samples, the windows with from < end <= to, and replace what is\n" +
			"stored. The work is a durable job that the flownode runs beside its other work. It\n" +
			"continues after a crash, and when this command is interrupted. Where NAME is a record of\n" +
			"several rules, each of them gets a job; NAME#2 is the second rule alone.\n\n" +
			"Flows that read the flow's results are refilled too, over the windows that those of the\n" +
			"span reach; they are named first. With --cascade=false they only follow what changes.\n\n" +
			"With --plan, show what it would compute and read, and about how long it would take, and\n" +
			"ask for nothing.\n\n" +
			view.TimeForms,
		Example: "  laminar refill http_requests:rate5m --from -6h --plan",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := a.now()
			first, err := parseTime(from, now)
			if err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			last, err := parseTime(to, now)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			if !first.Before(last) {
				return reversed(first, last)
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				if plan {
					return a.planRefill(ctx, store, args[0], sequence.Span{After: first.UnixMilli(), UpTo: last.UnixMilli()}, cascade)
				}
				jobs, err := store.Jobs.CreateRefills(ctx, args[0], first.UnixMilli(), last.UnixMilli(), cascade)
				if err != nil {
					return err
				}
				return a.refill(ctx, store, jobs, noWait)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "start of the span, exclusive")
	cmd.Flags().StringVar(&to, "to", "now", "end of the span, inclusive")
	cmd.Flags().BoolVar(&cascade, "cascade", true, "refill the flows that read its results too")
	cmd.Flags().BoolVar(&plan, "plan", false, "show what it would do, and ask for nothing")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "print the job's number and do not wait for it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if from == "" {
			return &usageError{err: errors.New("refill: --from is missing"), hint: cmd.UseLine()}
		}
		return nil
	}
	a.addOutputFlag(cmd)
	return cmd
}

// refill says which flows above those that were asked for are refilled too, and shows the
// jobs until they are finished, unless nobody waits for them. The output is about those
// that were asked for.
func (a *app) refill(ctx context.Context, store *sqlstore.Store, jobs []flowstore.Refill, noWait bool) error {
	for _, j := range jobs {
		if j.Asked {
			continue
		}
		if err := term.Say(a.stderr, "also %s: windows after %s up to %s (job %d)\n",
			j.Flow, view.FormatTime(j.From), view.FormatTime(j.To), j.Job); err != nil {
			return err
		}
	}
	var errs []error
	for _, j := range jobs {
		switch {
		case noWait && j.Asked:
			errs = append(errs, a.printQueued(ctx, store, j.Job))
		case !noWait:
			errs = append(errs, a.followJob(ctx, store, j.Job, j.Asked)) // they run side by side
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// printQueued prints a job that nobody waits for.
func (a *app) printQueued(ctx context.Context, store *sqlstore.Store, id int64) error {
	if a.output != "json" {
		return term.Say(a.stdout, "job %d\n", id)
	}
	job, err := store.Jobs.Show(ctx, id)
	if err != nil {
		return err
	}
	return term.WriteJSON(a.stdout, view.NewJob(job))
}

// followJob shows a job until it is finished, and its outcome on the output if that is
// wanted there, else beside it.
func (a *app) followJob(ctx context.Context, store *sqlstore.Store, id int64, output bool) error {
	var (
		job  progress.Job
		b    *term.Bar
		step view.Steps
	)
	err := poll(ctx, 0, func(ctx context.Context) (bool, error) {
		var err error
		if job, err = store.Jobs.Show(ctx, id); err != nil {
			return false, err
		}
		if b == nil {
			step = stepOf(ctx, store, job)
			b = term.NewBar(a.stderr, fmt.Sprintf("refill %s (job %d)", job.FlowName, id), step.Unit, (job.To-job.From)/step.Every)
		}
		b.Set((job.NextT - job.From) / step.Every)
		return job.State.Finished(), nil
	})
	if ctx.Err() != nil {
		return &hintedError{err: fmt.Errorf("job %d goes on without this command", id), hint: fmt.Sprintf("laminar job show %d, or laminar job cancel %d", id, id)}
	}
	if err != nil {
		return err
	}
	if output && a.output == "json" {
		if err := term.WriteJSON(a.stdout, view.NewJob(job)); err != nil {
			return err
		}
	}
	switch job.State {
	case progress.JobDone:
		to := a.stdout
		if a.output == "json" && output {
			return nil
		} else if !output {
			to = a.stderr
		}
		return term.Say(to, "job %d: %s computed, %s changed\n", id, flowdef.FormatCount(job.WindowsDone, step.One), flowdef.FormatCount(job.RowsWritten, "row"))
	case progress.JobCancelled:
		return fmt.Errorf("job %d was cancelled", id)
	default:
		return fmt.Errorf("job %d: %s", id, job.Error)
	}
}

// stepOf is what the progress of a job is counted in. Of a flow that has been deleted
// meanwhile nothing is known: then it is seconds.
func stepOf(ctx context.Context, store *sqlstore.Store, job progress.Job) view.Steps {
	flows, err := store.Catalogue.List(ctx)
	if err == nil {
		for _, f := range flows {
			if f.ID == job.Flow {
				return view.StepsOf(&f.Def)
			}
		}
	}
	return view.Steps{Every: 1000, Unit: "seconds", One: "window"}
}
