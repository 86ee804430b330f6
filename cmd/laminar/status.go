package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"laminar/sqlstore"
)

// jobsShown is how many jobs `status` shows.
const jobsShown = 10

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show regions, raw data, the lag of each flow, and jobs",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(ctx context.Context, _ *config, store *sqlstore.Store) error {
				st, err := store.Status(ctx)
				if err != nil {
					return err
				}
				jobs, err := store.ListJobs(ctx, jobsShown)
				if err != nil {
					return err
				}
				return a.printStatus([]table{regionTable(st.Regions), storageTable(st.Storage), flowTable(st.Flows), jobTable(jobs)})
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

// printStatus prints the parts one below the other, or as one JSON object.
func (a *app) printStatus(parts []table) error {
	names := []string{"regions", "raw", "flows", "jobs"}
	if a.output == "json" {
		data := make(map[string]any, len(parts))
		for i, t := range parts {
			data[names[i]] = t.data
		}
		return writeJSON(a.stdout, data)
	}
	for i, t := range parts {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if len(t.rows) == 0 {
			t = table{note: "no " + names[i]}
		}
		if err := writeTable(a.stdout, t); err != nil {
			return err
		}
	}
	return nil
}

type regionState struct {
	Region     int32  `json:"region"`
	Sequence   int64  `json:"sequence"`
	Generation int32  `json:"generation"`
	LastFlush  string `json:"last_flush"`
}

func regionTable(regions []sqlstore.RegionStatus) table {
	t := table{head: []string{"region", "sequence", "generation", "last flush"}}
	data := make([]regionState, len(regions))
	for i, r := range regions {
		s := regionState{Region: int32(r.Region), Sequence: int64(r.Seq), Generation: r.Generation, LastFlush: formatTime(r.LastFlush)}
		data[i] = s
		t.rows = append(t.rows, []string{
			strconv.Itoa(int(s.Region)), strconv.FormatInt(s.Sequence, 10), strconv.Itoa(int(s.Generation)), s.LastFlush,
		})
	}
	t.data = data
	return t
}

type storageState struct {
	HotBytes       int64  `json:"hot_bytes"`
	HotTables      int64  `json:"hot_tables"`
	HotSegments    int64  `json:"hot_segments"`
	SealedBytes    int64  `json:"sealed_bytes"`
	SealedTables   int64  `json:"sealed_tables"`
	SealedSegments int64  `json:"sealed_segments"`
	Metrics        int64  `json:"metrics"`
	Series         int64  `json:"series"`
	Earliest       string `json:"earliest"` // samples before it have been given up; "-" when none were
}

func storageTable(st sqlstore.StorageStatus) table {
	earliest := int64(-1)
	if st.Earliest > 0 {
		earliest = st.Earliest
	}
	s := storageState{
		HotBytes: st.HotBytes, HotTables: st.HotTables, HotSegments: st.HotSegments,
		SealedBytes: st.SealedBytes, SealedTables: st.SealedTables, SealedSegments: st.SealedSegments,
		Metrics: st.Metrics, Series: st.Series, Earliest: formatTime(earliest),
	}
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
