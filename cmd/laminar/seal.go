package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

func (a *app) sealCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Merge the hot segments now",
		Long: "Merge the hot segments now, rather than when they are old enough. Sealing waits for\n" +
			"flows that have not read them yet, for seal.max_wait at most. With --force it does not\n" +
			"wait, and those flows recompute what they missed from raw samples.",
		Example: "  laminar seal",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, c *settings.Config, store *sqlstore.Store) error {
				report, err := store.Keeper.Seal(ctx, raw.SealOptions{Wait: c.Upkeep.Seal.MaxWait, Force: force, Progress: a.sealBars()})
				if err != nil {
					return err
				}
				return a.print(sealed(report))
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "do not wait for flows")
	a.addOutputFlag(cmd)
	return cmd
}

// sealBars shows a bar for each step of each generation.
func (a *app) sealBars() func(raw.SealProgress) {
	units := map[raw.SealStep]string{raw.SealWaiting: "seconds at most", raw.SealPartitions: "metrics by region and day", raw.SealMerging: "samples"}
	var (
		b    *term.Bar
		last raw.SealProgress
	)
	return func(p raw.SealProgress) {
		scale := int64(1)
		if p.Step == raw.SealWaiting {
			scale = 1000
		}
		if b == nil || p.Generation != last.Generation || p.Step != last.Step {
			if b != nil {
				b.End()
			}
			b = term.NewBar(a.stderr, fmt.Sprintf("generation %d, %s", p.Generation, p.Step), units[p.Step], p.Total/scale)
		}
		last = p
		b.Set(p.Done / scale)
	}
}

func sealed(r raw.SealReport) term.Table {
	s := view.NewSealed(r)
	generations := make([]string, len(r.Sealed))
	for i, g := range r.Sealed {
		generations[i] = strconv.Itoa(int(g))
	}
	t := term.Table{Data: s}
	if len(generations) == 0 {
		t.Note = "nothing to seal"
		return t
	}
	t.Note = fmt.Sprintf("sealed generation %s: %s in %s", strings.Join(generations, ", "), flowdef.FormatCount(s.Samples, "sample"), flowdef.FormatCount(s.Segments, "segment"))
	if s.FlowsBehind > 0 {
		t.Note += fmt.Sprintf("; %s had not read it; what was missed is computed again", flowdef.FormatCount(s.FlowsBehind, "flow"))
	}
	return t
}
