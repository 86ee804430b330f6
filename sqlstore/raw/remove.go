package raw

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw/segmentrow"
)

// Removing series is a flush without samples: it takes the region's lock and its next
// sequence like any other. Which series may go is for package lapsed to say.
//
// That is what makes it safe against writers in any process. A writer puts a series'
// id into a segment only under the region's lock, and only after it has caught up with
// the sequence before its own. A removal between the position it knew and that sequence
// is in what it has missed, so it no longer has the id, and creates the series again.

// ErrSealed says that hot segments which were asked for are sealed by now.
var ErrSealed = errors.New("the segments have been sealed")

// EachSince calls fn for every segment that flushes of the region after a sequence have
// brought of the metrics. The segment is valid only until fn returns. ErrSealed when the
// sequences do not tell any more which these are.
func (tx *FlushTx) EachSince(ctx context.Context, after sequence.Seq, metrics []sequence.MetricID, fn func(*segment.Segment)) error {
	rng := sequence.Range{After: after, UpTo: tx.flush.Seq - 1}
	if rng.Empty() {
		return nil
	}
	m := missedReader{tx: tx}
	unsealed, sealed, err := m.readGenerations(ctx, rng)
	if err == nil && sealed > after {
		return ErrSealed
	}
	for _, generation := range unsealed {
		if err == nil {
			err = tx.eachHot(ctx, generation, rng, metricIDs(metrics), fn)
		}
	}
	if err != nil {
		return fmt.Errorf("read sequences %s of region %d: %w", rng, tx.flush.Region, pg.Interpret(err))
	}
	return nil
}

// eachHot is EachSince in the table of one generation, in ascending order.
func (tx *FlushTx) eachHot(ctx context.Context, generation int32, rng sequence.Range, metrics []int32, fn func(*segment.Segment)) error {
	rows, err := tx.conn.Query(ctx, queries.OnHot(queries.MissedHot, generation), pgx.QueryResultFormats{pgx.BinaryFormatCode},
		int32(tx.flush.Region), metrics, int64(rng.After), int64(rng.UpTo))
	if err != nil {
		return err
	}
	defer rows.Close()
	var seg segment.Segment
	var unpacker segment.Unpacker
	for rows.Next() {
		if err := segmentrow.Decode(rows.RawValues(), &seg, &unpacker); err != nil {
			return err
		}
		fn(&seg)
	}
	return rows.Err()
}

// Remove deletes series of the flush's region and notes them with the flush. No sample
// of them may be stored. It returns how many there were. They are gone when the flush has
// committed, which it does without segments.
func (tx *FlushTx) Remove(ctx context.Context, ids []sequence.SeriesID) (int, error) {
	list := make([]int32, len(ids))
	for i, id := range ids {
		list[i] = int32(id)
	}
	rows, err := tx.conn.Query(ctx, queries.SeriesRemove, int32(tx.flush.Region), list)
	if err == nil {
		tx.removed, err = pgx.CollectRows(rows, pgx.RowTo[int32])
	}
	if err == nil {
		_, err = tx.conn.Exec(ctx, queries.RemovedCount, int64(len(tx.removed)))
	}
	if err != nil {
		return 0, fmt.Errorf("remove %d series of region %d: %w", len(ids), tx.flush.Region, pg.Interpret(err))
	}
	return len(tx.removed), nil
}
