package lab

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"laminar/cmd/bench/workload"
)

// Without Laminar a user has a row per sample, and a table of series to join it
// with.
const (
	createRows   = `create table sample (ts timestamptz not null, series integer not null, value double precision not null)`
	createSeries = `create table series (id integer primary key, job text not null)`

	// The index of the row table, one or the other.
	IndexByTS     = `create index sample_by_ts on sample (ts)`
	IndexBySeries = `create index sample_by_series on sample (series, ts)`
)

// CopyRows copies rows into the row table, each stream in a durable transaction, and
// returns how long that took. The connections are made before the clock starts.
func (d *Database) CopyRows(ctx context.Context, l workload.Rows) (time.Duration, error) {
	conns := make([]*pgx.Conn, len(l.Lanes))
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, d.URL); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, lane := range l.Lanes {
		group.Go(func() error {
			for _, stream := range lane {
				_, err := conns[i].PgConn().CopyFrom(ctx, bytes.NewReader(stream), "copy sample from stdin binary")
				if err != nil {
					return fmt.Errorf("copy rows: %w", err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// CreateRowTables makes the row table with the given index, and the series table
// from the series' jobs.
func (d *Database) CreateRowTables(ctx context.Context, jobs []string, index string) error {
	for _, statement := range []string{createRows, createSeries, index} {
		if _, err := d.Conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err := d.Conn.CopyFrom(ctx, pgx.Identifier{"series"}, []string{"id", "job"},
		pgx.CopyFromSlice(len(jobs), func(i int) ([]any, error) { return []any{i, jobs[i]}, nil }))
	return err
}

// Analyze does for the planner what autovacuum would do before long.
func (d *Database) Analyze(ctx context.Context) error {
	_, err := d.Conn.Exec(ctx, "vacuum analyze")
	return err
}
