package raw

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// CurrentVector is the position of the raw table now.
func (r *Reader) CurrentVector(ctx context.Context) (sequence.Vector, error) {
	var (
		regions []int32
		seqs    []int64
		flushes []pgtype.UUID
	)
	// One statement, and so one moment: it is no vector that never was.
	if err := r.db.Pool().QueryRow(ctx, queries.RegionPositions).Scan(&regions, &seqs, &flushes); err != nil {
		return nil, fmt.Errorf("read the regions' positions: %w", pg.Interpret(err))
	}
	vec, _ := positionOf(regions, seqs, flushes)
	return vec, nil
}

// The rest of this file is for people and for the upkeep: the positions of the
// regions and the amount of data. Each answer is one statement and not a snapshot,
// so two of them can be of different moments.

// RegionStatus is one region.
type RegionStatus struct {
	Region     sequence.Region
	Seq        sequence.Seq
	Generation int32
	LastFlush  int64 // when Seq was committed
}

// StorageStatus is how much raw data there is. Segments and series are
// PostgreSQL's estimates, which lag behind; bytes are exact and include
// indexes.
type StorageStatus struct {
	// Hot tables of generations that are not sealed yet.
	HotTables   int64
	HotBytes    int64
	HotSegments int64

	// Partitions of sealed, those that are to be dropped too.
	SealedTables   int64
	SealedBytes    int64
	SealedSegments int64

	Series  int64
	Metrics int64

	// Earliest is the time before which samples have been given up, ms since the
	// epoch; 0 when none were.
	Earliest int64

	// CurrentSince is when the generation that is written to was begun, ms since
	// the epoch by the database's clock: sealing goes by its age.
	CurrentSince int64
}

// Regions lists the regions.
func (r *Reader) Regions(ctx context.Context) ([]RegionStatus, error) {
	rows, err := r.db.Pool().Query(ctx, queries.StatusRegions)
	if err != nil {
		return nil, fmt.Errorf("read the state of regions: %w", pg.Interpret(err))
	}
	regions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (one RegionStatus, err error) {
		return one, row.Scan((*int32)(&one.Region), (*int64)(&one.Seq), &one.Generation, &one.LastFlush)
	})
	if err != nil {
		return nil, fmt.Errorf("read the state of regions: %w", pg.Interpret(err))
	}
	return regions, nil
}

// MetricSize is how much the samples of a metric take.
type MetricSize struct {
	Name     string
	Series   int64
	Samples  int64
	Bytes    int64 // packed; 28 a sample where they are not
	Segments int64
}

// Sizes lists the metrics whose samples take most, at most so many.
func (s *Snapshot) Sizes(ctx context.Context, limit int) ([]MetricSize, error) {
	rows, err := s.conn.Query(ctx, s.bind(queries.MetricSizes), int32(limit))
	if err != nil {
		return nil, pg.ReadError("measure metrics", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m MetricSize, err error) {
		return m, row.Scan(&m.Name, &m.Series, &m.Samples, &m.Bytes, &m.Segments)
	})
	if err != nil {
		return nil, pg.ReadError("measure metrics", err)
	}
	return list, nil
}

// Storage tells how much raw data there is.
func (k *Keeper) Storage(ctx context.Context) (StorageStatus, error) {
	var st StorageStatus
	err := k.db.Pool().QueryRow(ctx, queries.StatusStorage).Scan(&st.HotTables, &st.HotBytes, &st.HotSegments,
		&st.SealedTables, &st.SealedBytes, &st.SealedSegments, &st.Series, &st.Metrics, &st.Earliest, &st.CurrentSince)
	if err != nil {
		return st, fmt.Errorf("read the size of the raw data: %w", pg.Interpret(err))
	}
	return st, nil
}

// HistogramNames lists the metrics that hold native histograms.
func (r *Reader) HistogramNames(ctx context.Context) ([]string, error) {
	rows, err := r.db.Pool().Query(ctx, queries.HistogramNames)
	if err != nil {
		return nil, fmt.Errorf("list the metrics with native histograms: %w", pg.Interpret(err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the metrics with native histograms: %w", pg.Interpret(err))
	}
	return names, nil
}
