package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/flowview"
	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
)

// jobsShown is how many jobs `status` shows.
const jobsShown = 10

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show regions, raw data, the lag of each flow, alerts, jobs, and which processes keep flows",
		Example: "  laminar status",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				st, err := store.Status(ctx)
				if err != nil {
					return err
				}
				jobs, err := store.Jobs.List(ctx, jobsShown)
				if err != nil {
					return err
				}
				return a.printStatus(st, jobs)
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

// printStatus prints the parts one below the other, or as one JSON object.
func (a *app) printStatus(st sqlstore.Status, jobs []progress.Job) error {
	if a.output == "json" {
		return term.WriteJSON(a.stdout, view.NewStatus(st, jobs))
	}
	for i, part := range []struct {
		name  string
		table term.Table
	}{
		{"regions", regionTable(st.Regions)}, {"raw", storageTable(st.Storage)}, {"retention", retentionWarning(st)}, {"flows", flowview.List(st.Flows)}, {"alerts", alertTable(st.Alerts)}, {"jobs", jobTable(jobs)},
		{"flownodes", nodeTable(st.Members)}, {"leases", leaseTable(st.Leases)},
	} {
		if part.name == "retention" && part.table.Note == "" {
			continue // nothing to warn of
		}
		if i > 0 {
			_ = term.Say(a.stdout, "\n")
		}
		if len(part.table.Rows) == 0 && part.table.Note == "" {
			part.table = term.Table{Note: "no " + part.name}
		}
		if err := term.WriteTable(a.stdout, part.table); err != nil {
			return err
		}
	}
	return nil
}

func regionTable(regions []raw.RegionStatus) term.Table {
	t := term.Table{Head: []string{"region", "sequence", "generation", "last flush"}}
	data := view.Each(regions, view.NewRegion)
	for _, s := range data {
		t.Rows = append(t.Rows, []string{
			strconv.Itoa(int(s.Region)), strconv.FormatInt(s.Sequence, 10), strconv.Itoa(int(s.Generation)), s.LastFlush,
		})
	}
	t.Data = data
	return t
}

func nodeTable(members []flowstore.MemberStatus) term.Table {
	t := term.Table{Head: []string{"flownode", "address", "started", "last seen", "state"}}
	data := view.Each(members, view.NewNode)
	for _, n := range data {
		state := n.State
		if n.LeadsSince != "" {
			state += " since " + n.LeadsSince
		}
		t.Rows = append(t.Rows, []string{n.Name, n.Address, n.Started, n.LastSeen, state})
	}
	t.Data = data
	return t
}

func leaseTable(leases []sqlstore.LeaseStatus) term.Table {
	t := term.Table{Head: []string{"lease", "process", "pid", "role", "application", "client", "since", "last seen"}}
	data := view.Each(leases, view.NewLease)
	for _, l := range data {
		t.Rows = append(t.Rows, []string{l.Purpose, l.Process, strconv.Itoa(int(l.PID)), l.Role, l.Application, l.Client, l.Since, l.LastSeen})
	}
	t.Data = data
	return t
}

func storageTable(st raw.StorageStatus) term.Table {
	s := view.NewStorage(st)
	return term.Table{
		Head: []string{"raw data", "size", "tables", "segments (about)"},
		Rows: [][]string{
			{"hot", term.FormatBytes(s.HotBytes), strconv.FormatInt(s.HotTables, 10), strconv.FormatInt(s.HotSegments, 10)},
			{"sealed", term.FormatBytes(s.SealedBytes), strconv.FormatInt(s.SealedTables, 10), strconv.FormatInt(s.SealedSegments, 10)},
		},
		Note: fmt.Sprintf("about %d series of %s; samples given up before: %s", s.Series, flowdef.FormatCount(s.Metrics, "metric"), s.Earliest),
		Data: s,
	}
}
