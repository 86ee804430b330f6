package lapsed

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/lapsed"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

const (
	// Lease is the purpose of the lease under which series are removed.
	Lease = "lapse"

	// metricsAtOnce is how many metrics are removed while all regions are locked.
	metricsAtOnce = 1000
	// lockTimeout is how long removing metrics waits for a flush. While it waits it
	// holds the regions before that one.
	lockTimeout = 2 * time.Second
)

// Remover removes what has lapsed. All methods are safe for concurrent use, also by
// several processes.
type Remover struct {
	db     *pg.DB
	reader *raw.Reader
	writer *raw.Writer
}

// New makes a remover.
func New(db *pg.DB, reader *raw.Reader, writer *raw.Writer) *Remover {
	return &Remover{db: db, reader: reader, writer: writer}
}

// Report is what a Remove did.
type Report struct {
	Series, Metrics int64

	// Unlisted is how many sealed segments do not say which series they hold. While
	// there are any, nothing is removed.
	Unlisted int64
}

// Remove removes the series and metrics that have lapsed, if samples have been dropped
// since it last did, and what was said of metrics that are not there. It forgets who brought
// new series long ago. It is sequence.ErrUnavailable when another process does so already.
func (r *Remover) Remove(ctx context.Context) (Report, error) {
	if _, err := r.db.Pool().Exec(ctx, queries.SenderPrune); err != nil {
		return Report{}, fmt.Errorf("forget who brought series long ago: %w", pg.Interpret(err))
	}
	var dropped, swept int64
	if err := r.db.Pool().QueryRow(ctx, queries.Due).Scan(&dropped, &swept); err != nil {
		return Report{}, fmt.Errorf("look whether series are to be removed: %w", pg.Interpret(err))
	}
	if dropped <= swept {
		return Report{}, nil
	}
	unlock, err := r.db.LockOut(ctx, Lease, 0)
	if err != nil {
		return Report{}, fmt.Errorf("remove series without samples: %w", err)
	}
	defer unlock()
	s := sweeping{Remover: r}
	err = s.sweep(ctx)
	if err == nil && s.report.Unlisted == 0 {
		if err = s.removeMetrics(ctx); err == nil {
			_, err = r.db.Pool().Exec(ctx, queries.MetadataPrune)
		}
		if err == nil {
			_, err = r.db.Pool().Exec(ctx, queries.Done, dropped)
		}
	}
	if err != nil {
		return s.report, fmt.Errorf("remove series without samples: %w", pg.Interpret(err))
	}
	return s.report, nil
}

// removeMetrics removes the metrics that no series is of, some at a time.
func (s *sweeping) removeMetrics(ctx context.Context) error {
	for {
		rows, err := s.db.Pool().Query(ctx, queries.Metrics, int32(metricsAtOnce))
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil || len(ids) == 0 {
			return err
		}
		var gone int64
		err = s.db.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "set local lock_timeout = "+pg.Milliseconds(lockTimeout)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, queries.Regions); err != nil {
				return err
			}
			return tx.QueryRow(ctx, queries.MetricRemove, ids).Scan(&gone)
		})
		if err != nil {
			return fmt.Errorf("remove %d metrics: %w", len(ids), err)
		}
		s.report.Metrics += gone
		if gone == 0 || len(ids) < metricsAtOnce {
			return nil
		}
	}
}

// candidate is a series that seems to have lapsed.
type candidate struct {
	id     sequence.SeriesID
	metric sequence.MetricID
}
