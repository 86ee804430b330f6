package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
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
		Use:   "status",
		Short: "Show regions, raw data, the lag of each flow, alerts, jobs, and which processes keep flows",
		Args:  takes(0, 0),
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
		return writeJSON(a.stdout, view.NewStatus(st, jobs))
	}
	for i, part := range []struct {
		name  string
		table table
	}{
		{"regions", regionTable(st.Regions)}, {"raw", storageTable(st.Storage)}, {"retention", retentionWarning(st)}, {"flows", flowTable(st.Flows)}, {"alerts", alertTable(st.Alerts)}, {"jobs", jobTable(jobs)},
		{"flownodes", nodeTable(st.Members)}, {"leases", leaseTable(st.Leases)},
	} {
		if part.name == "retention" && part.table.note == "" {
			continue // nothing to warn of
		}
		if i > 0 {
			_ = say(a.stdout, "\n")
		}
		if len(part.table.rows) == 0 && part.table.note == "" {
			part.table = table{note: "no " + part.name}
		}
		if err := writeTable(a.stdout, part.table); err != nil {
			return err
		}
	}
	return nil
}

func regionTable(regions []raw.RegionStatus) table {
	t := table{head: []string{"region", "sequence", "generation", "last flush"}}
	data := view.Each(regions, view.NewRegion)
	for _, s := range data {
		t.rows = append(t.rows, []string{
			strconv.Itoa(int(s.Region)), strconv.FormatInt(s.Sequence, 10), strconv.Itoa(int(s.Generation)), s.LastFlush,
		})
	}
	t.data = data
	return t
}

func nodeTable(members []flowstore.MemberStatus) table {
	t := table{head: []string{"flownode", "address", "started", "last seen", "state"}}
	data := view.Each(members, view.NewNode)
	for _, n := range data {
		state := n.State
		if n.LeadsSince != "" {
			state += " since " + n.LeadsSince
		}
		t.rows = append(t.rows, []string{n.Name, n.Address, n.Started, n.LastSeen, state})
	}
	t.data = data
	return t
}

func leaseTable(leases []sqlstore.LeaseStatus) table {
	t := table{head: []string{"lease", "process", "pid", "role", "application", "client", "since", "last seen"}}
	data := view.Each(leases, view.NewLease)
	for _, l := range data {
		t.rows = append(t.rows, []string{l.Purpose, l.Process, strconv.Itoa(int(l.PID)), l.Role, l.Application, l.Client, l.Since, l.LastSeen})
	}
	t.data = data
	return t
}

func storageTable(st raw.StorageStatus) table {
	s := view.NewStorage(st)
	return table{
		head: []string{"raw data", "size", "tables", "segments (about)"},
		rows: [][]string{
			{"hot", formatBytes(s.HotBytes), strconv.FormatInt(s.HotTables, 10), strconv.FormatInt(s.HotSegments, 10)},
			{"sealed", formatBytes(s.SealedBytes), strconv.FormatInt(s.SealedTables, 10), strconv.FormatInt(s.SealedSegments, 10)},
		},
		note: fmt.Sprintf("about %d series of %d metrics; samples given up before: %s", s.Series, s.Metrics, s.Earliest),
		data: s,
	}
}
