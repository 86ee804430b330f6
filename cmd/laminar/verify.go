package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/server"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

func (a *app) verifyCommand() *cobra.Command {
	var from, to, sample, seed string
	cmd := &cobra.Command{
		Use:   "verify [FLOW...]",
		Short: "Compare result tables with the results of Prometheus's engine",
		Long: "Recompute the closed windows with from < end <= to, with Prometheus's own engine on the\n" +
			"raw samples, and report every cell that differs in the tables of the named flows (by\n" +
			"default, of all flows). The exit code is 1 if any cell differs. Nothing is changed:\n" +
			"`laminar refill` corrects what is wrong.\n\n" +
			"Windows that may rightly differ at the moment, or whose raw samples are gone, are left\n" +
			"out and counted.\n\n" + view.TimeForms,
		Example: "  laminar verify\n  laminar verify http_requests:rate5m --from -1d --sample 10%",
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := verifyOptions(from, to, sample, seed, a.now())
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				return a.verify(ctx, store, args, opts)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "start of the span, exclusive; by default the oldest window")
	cmd.Flags().StringVar(&to, "to", "", "end of the span, inclusive; by default the newest closed window")
	cmd.Flags().StringVar(&sample, "sample", "100%", "share of the windows to compare, selected by the seed")
	cmd.Flags().StringVar(&seed, "seed", "", "number that selects the windows; by default a different one each time")
	a.addOutputFlag(cmd)
	return cmd
}

// verifyOptions reads what was typed.
func verifyOptions(from, to, sample, seed string, now time.Time) (verify.Options, error) {
	opts := verify.Options{From: sequence.NoTime, To: sequence.NoTime, Seed: rand.Uint64() >> 12} // short enough for every JSON reader
	for _, bound := range []struct {
		flag, text string
		to         *int64
	}{{"--from", from, &opts.From}, {"--to", to, &opts.To}} {
		if bound.text == "" {
			continue
		}
		t, err := parseTime(bound.text, now)
		if err != nil {
			return opts, fmt.Errorf("%s: %w", bound.flag, err)
		}
		*bound.to = max(0, t.UnixMilli())
	}
	if opts.From != sequence.NoTime && opts.To != sequence.NoTime && opts.From >= opts.To {
		return opts, reversed(time.UnixMilli(opts.From), time.UnixMilli(opts.To))
	}
	var err error
	if opts.Sample, err = settings.ParsePart(sample); err != nil {
		return opts, usagef("--sample: %w", err)
	}
	if seed != "" {
		if opts.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return opts, usagef("--seed %s: want a whole number, not negative", seed)
		}
	}
	return opts, nil
}

// verify compares the flows with the names, or all, and prints what it finds.
func (a *app) verify(ctx context.Context, store *sqlstore.Store, names []string, opts verify.Options) error {
	flows, err := namedFlows(ctx, store, names)
	if err != nil {
		return err
	}
	if opts.Sample < 1 {
		_ = term.Say(a.stderr, "comparing %g%% of the windows, --seed %d\n", opts.Sample*100, opts.Seed)
	}
	verifier := verify.New(server.NodeStore{Store: store}, time.Now)
	out := view.Verification{Seed: opts.Seed, Flows: []view.VerifiedFlow{}}
	found := int64(0)
	for _, f := range flows {
		var b *term.Bar
		opts.Progress = func(done, total int64) {
			if b == nil {
				b = term.NewBar(a.stderr, "verify "+f.Def.Title(), view.StepsOf(&f.Def).Unit, total)
			}
			b.Set(done)
		}
		report, err := verifier.Flow(ctx, f.ID, opts)
		if err != nil {
			return fmt.Errorf("flow %s: %w", f.Def.Title(), err)
		}
		if found += report.Found; report.Found > 0 {
			// Rows that people have changed by hand are in no change log. A login that may only
			// read cannot say so, and still sees the differences.
			if err := store.Changes.Renew(ctx, f.ID); err != nil {
				_ = term.Say(a.stderr, "those who follow %s are not told to read it anew: %v\n", f.Def.Title(), err)
			}
		}
		out.Flows = append(out.Flows, view.NewVerifiedFlow(f.Def, report))
	}
	if err := a.printVerified(out); err != nil {
		return err
	}
	if found > 0 {
		return quietError(exitFault)
	}
	return nil
}

// namedFlows is the flows of the names, each once, or all flows.
func namedFlows(ctx context.Context, store *sqlstore.Store, names []string) ([]flowstore.FlowStatus, error) {
	if len(names) == 0 {
		return store.Catalogue.List(ctx)
	}
	var out []flowstore.FlowStatus
	seen := map[progress.FlowID]bool{}
	for _, name := range names {
		found, err := store.Catalogue.Show(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !seen[f.ID] {
				seen[f.ID] = true
				out = append(out, f)
			}
		}
	}
	return out, nil
}
