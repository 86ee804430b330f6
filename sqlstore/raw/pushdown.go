package raw

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/partial"
	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Simple partials (count, sum, min, max) can be folded by PostgreSQL instead of
// sending it all samples. Over a fast link that is slower, since SQL unpacks one
// sample at a time; over a slow one it saves most of the bytes. The flownode
// chooses. The results must agree within the stated bound with what columns give,
// which SQL cannot promise for every sum: then the answer is ErrNeedsColumnar.
//
// NaN is a number to SQL, larger than all others, and none to PromQL's min and max.
// The queries leave it out of these two, so that all values NaN gives null, and
// let it into the sum, where both agree that the result is NaN. Stale markers have
// no value in PostgreSQL: the functions that unpack segments give them as null.

// maxPushdownCount is how many values one partial may sum up in PostgreSQL,
// which adds one after the other without compensation: the error is at most
// count * 2^-53 of the sum of the absolute values, here 5e-10, which leaves
// half of the bound of 1e-9 to the merging of partials.
const maxPushdownCount = 1 << 22

// AggregateDelta folds the ordered hot segments in the ranges to simple
// partials in the database. fn gets each (pane, slot) once, in no order; pane
// is the pane's right end in ms. With partial.ErrNeedsColumnar what fn got
// must be dropped. An error of fn ends the read and is returned as it is.
func (s *Snapshot) AggregateDelta(ctx context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(pane int64, slot int32, part partial.Simple) error) error {
	regions, after, upTo := rangeColumns(ranges)
	if len(regions) == 0 || len(q.Metrics) == 0 || len(q.Series) == 0 {
		return nil
	}
	return s.aggregate(ctx, "aggregate delta", fn, s.bind(queries.SimpleDelta),
		metricIDs(q.Metrics), regions, after, upTo, seriesIDs(q), q.Slots, q.Pane, q.After)
}

// AggregateRaw folds all samples in the span, sealed and hot,
// to simple partials in the database, each (series, time) once, the highest
// sequence winning. Otherwise it is as AggregateDelta.
func (s *Snapshot) AggregateRaw(ctx context.Context, q partial.SimpleQuery, span sequence.Span, fn func(pane int64, slot int32, part partial.Simple) error) error {
	regions := s.regionColumn()
	if len(regions) == 0 || len(q.Metrics) == 0 || len(q.Series) == 0 {
		return nil
	}
	return s.aggregate(ctx, "aggregate raw samples", fn, s.bind(queries.SimpleRaw),
		metricIDs(q.Metrics), regions, max(span.After, q.After), span.UpTo, seriesIDs(q), q.Slots, q.Pane)
}

// seriesIDs are the series of a query as a parameter.
func seriesIDs(q partial.SimpleQuery) []int32 {
	out := make([]int32, len(q.Series))
	for i, id := range q.Series {
		out[i] = int32(id)
	}
	return out
}

// aggregate runs a query that gives simple partials. It runs behind a
// savepoint, sent along in the same round trip, because PostgreSQL answers a
// sum that overflows with an error, which would otherwise end the snapshot.
// It is planned for the arrays that it gets: planned for any, with 100,000
// series it did not end within minutes (BenchmarkExecutors).
func (s *Snapshot) aggregate(ctx context.Context, doing string, fn func(pane int64, slot int32, part partial.Simple) error, query string, args ...any) error {
	var fnErr error // the driver wraps it, and it must come back as it is
	// The partials are handed on while the answer is still coming: there can be as
	// many as series times panes.
	batch := &pgx.Batch{}
	batch.Queue("savepoint pushdown")
	batch.Queue("set local plan_cache_mode = force_custom_plan")
	batch.Queue(query, args...).Query(func(rows pgx.Rows) error {
		fnErr = eachSimple(rows, fn)
		return fnErr
	})
	batch.Queue("rollback to savepoint pushdown") // nothing was written; the setting ends
	batch.Queue("release savepoint pushdown")
	err := s.conn.SendBatch(ctx, batch).Close()
	switch {
	case err == nil:
		return nil
	case pg.OutOfRange(err):
		// The statements after the failed one were skipped, so the savepoint is
		// still there; going back to it makes the snapshot usable again.
		if _, err := s.conn.Conn().PgConn().Exec(ctx, "rollback to savepoint pushdown; release savepoint pushdown").ReadAll(); err != nil {
			return pg.ReadError(doing, err)
		}
		return fmt.Errorf("%s: a sum overflows: %w", doing, partial.ErrNeedsColumnar)
	case fnErr != nil:
		return fnErr
	default:
		return pg.ReadError(doing, err)
	}
}

// eachSimple hands on the partials of a result. An error of the database ends
// it without one of its own; the caller finds it when closing the batch.
func eachSimple(rows pgx.Rows, fn func(pane int64, slot int32, part partial.Simple) error) error {
	var (
		pane     int64
		slot     int32
		part     partial.Simple
		min, max *float64
	)
	for rows.Next() {
		if err := rows.Scan(&pane, &slot, &part.Count, &part.Sum, &min, &max); err != nil {
			return fmt.Errorf("read partial: %w", err)
		}
		if part.Count > maxPushdownCount {
			return fmt.Errorf("a partial of %d values: %w", part.Count, partial.ErrNeedsColumnar)
		}
		part.Min, part.Max = orNaN(min), orNaN(max)
		if err := fn(pane, slot, part); err != nil {
			return err
		}
	}
	return nil
}

// orNaN is min or max, which SQL gives as null where all values are NaN.
func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
