package main

import (
	"context"
	"log/slog"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
	"laminar/cmd/fleet"
)

// Names of figures of scenario 9.
const (
	diskHot    = "Laminar: hot segments"
	diskSealed = "Laminar: sealed segments"
	diskRows   = "rows, index (ts)"
	diskSeal   = "Laminar: sealing"
)

// disk measures how many bytes a sample of the simulated fleet takes on disk, with
// all indexes: stored scrape by scrape, as a fleet sends, and then sealed.
func disk(ctx context.Context, b *harness.Bench) error {
	l, err := b.Lab.NewLaminar(ctx, "disk", "")
	if err != nil {
		return err
	}
	defer l.Kill()
	rows, err := b.Lab.CreateDatabase(ctx, "disk_rows")
	if err != nil {
		return err
	}
	client, err := fleet.NewClient(l.WriteURL(), 4, workload.SamplesPerRequest, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer client.Close()
	opts := fleet.DefaultOptions()
	opts.Instances = b.Plan.FleetInstances
	f := fleet.New(opts)
	if err := rows.CreateRowTables(ctx, make([]string, len(f.Series())), lab.IndexByTS); err != nil {
		return err
	}
	at := time.Now().Truncate(opts.Interval).Add(-time.Duration(b.Plan.FleetScrapes) * opts.Interval)
	var points []fleet.Point
	var writer workload.RowWriter
	for range b.Plan.FleetScrapes {
		at = at.Add(opts.Interval)
		points = f.Scrape(points[:0], at)
		if err := client.Send(ctx, f.Series(), points); err != nil {
			return err
		}
		for _, p := range points {
			writer.Add(p.T, p.Series, p.V)
		}
	}
	if _, err := rows.CopyRows(ctx, workload.Rows{Lanes: [][][]byte{writer.Finish()}}); err != nil {
		return err
	}
	copied, err := rows.Number(ctx, "select count(*)::float8 from sample")
	if err != nil {
		return err
	}
	size, err := rows.Number(ctx, "select pg_total_relation_size('sample')::float8")
	if err != nil {
		return err
	}
	b.Add(9, diskRows, "B/sample", size/copied)
	if err := diskLaminar(ctx, b, l); err != nil {
		return err
	}
	if err := l.Remove(ctx); err != nil {
		return err
	}
	if err := rows.Drop(ctx); err != nil {
		return err
	}
	if err := b.Report.AtMost(9, "hot bytes per sample over rows, index (ts)", diskHot, diskRows, 0.3); err != nil {
		return err
	}
	return b.Report.AtMost(9, "sealed bytes per sample over rows, index (ts)", diskSealed, diskRows, 0.1)
}

// Sizes of the tables that hold raw samples, with indexes and TOAST, in bytes.
const (
	hotSize    = `select coalesce(sum(pg_total_relation_size(format('laminar.hot_%s', id)::regclass)), 0)::float8 from laminar.generation where state in ('current', 'frozen')`
	sealedSize = `select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::float8 from pg_inherits where inhparent = 'laminar.sealed'::regclass`
)

// diskLaminar measures the samples that Laminar holds before and after sealing.
func diskLaminar(ctx context.Context, b *harness.Bench, l *lab.Laminar) error {
	hot, err := l.DB.Number(ctx, hotSize)
	if err != nil {
		return err
	}
	taken, err := l.Taken(ctx)
	if err != nil {
		return err
	}
	b.Add(9, diskHot, "B/sample", hot/taken)
	before, err := l.DB.WAL(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := l.Run(ctx, "seal", "--force"); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := l.DB.WAL(ctx)
	if err != nil {
		return err
	}
	sealed, err := l.DB.Number(ctx, sealedSize)
	if err != nil {
		return err
	}
	// Sealing keeps one of the samples that have the same series and time.
	distinct, err := l.DB.Number(ctx, "select sum(samples)::float8 from laminar.sealed")
	if err != nil {
		return err
	}
	b.Add(9, diskSealed, "B/sample", sealed/distinct)
	b.Add(9, diskSeal, "samples/s", taken/took.Seconds())
	b.Add(9, diskSeal+", WAL", "B/sample", (after-before)/taken)
	b.Say("   %s samples, %s after sealing", report.Number(taken), report.Number(distinct))
	return nil
}
