package raw

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw/segmentrow"
)

// Samples leave PostgreSQL by segment, in columns. Two readings are enough for
// everything that is computed: the delta between two positions, which only hot
// segments can tell, and all samples of a stretch of time.
//
// Both hand on one segment at a time and keep none, so the memory of a reading is
// bounded by the largest segment. A caller that keeps samples copies them.
//
// Both keep the order that decides between two samples of one series and time: the
// one that was written later comes later (I3). It holds within a region, which is
// enough, because a series never changes its region.

// ReadDelta calls fn for every hot segment of the metrics in the ranges, in
// ascending (sequence, segment number) within a region and metric. The segment
// is valid only until fn returns. An error of fn ends the read and is returned
// as it is.
func (s *Snapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	regions, after, upTo := rangeColumns(ranges)
	if len(regions) == 0 || len(metrics) == 0 {
		return nil
	}
	var ordered *bool // null picks both
	if pick != segment.PickAll {
		only := pick == segment.PickOrdered
		ordered = &only
	}
	return s.readSegments(ctx, "read delta", s.bind(queries.ReadDelta), false, fn,
		metricIDs(metrics), regions, after, upTo, ordered)
}

// ReadRaw calls fn for every segment, sealed and hot, that overlaps the
// selection, in such an order that of two samples of one series and time the
// one with the higher sequence comes later: sealed ones by MaxSeq, then hot
// ones by (sequence, segment number). That suffices because a series lives in
// one region and generations are sealed oldest first.
//
// With several functions the segments of a region all go to one, which the
// number of functions alone decides, and different ones may be called at once.
// The segment is valid only until fn returns, which may be called by another
// goroutine, never by two at once. An error of fn ends the read and is returned
// as it is. At least one is given. Select.Series is not used: finding out inside
// PostgreSQL which segments hold a series unpacks them, which costs more than
// reading them.
func (s *Snapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	regions := s.regionColumn()
	if len(regions) == 0 || len(sel.Metrics) == 0 {
		return nil
	}
	span := spanOf(sel)
	after, upTo := spanColumns(sel.Spans)
	metrics := metricIDs(sel.Metrics)
	// Sealed before hot: of a sample that is in both, which sealing leaves only
	// where it was written again, the hot one has the higher sequence.
	return s.share(ctx, regions, fns, func(ctx context.Context, on *Snapshot, regions []int32, fn segmentFunc) error {
		err := on.readSegments(ctx, "read sealed segments", queries.ReadRawSealed, true, fn, metrics, regions, span.After, span.UpTo, after, upTo)
		if err != nil {
			return err
		}
		return on.readSegments(ctx, "read hot segments", on.bind(queries.ReadRawHot), false, fn, metrics, regions, span.After, span.UpTo, after, upTo)
	})
}

// readSegments runs a query that gives segments and hands them on one by one.
// Samples arrive packed and are decoded into buffers that live as long as the
// snapshot: once these are warm a segment costs no allocation.
func (s *Snapshot) readSegments(ctx context.Context, doing, query string, sealed bool, fn func(*segment.Segment) error, args ...any) error {
	// All columns in binary form, whatever their types.
	args = append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return pg.ReadError(doing, err)
	}
	defer rows.Close()
	s.seg.Sealed = sealed
	for rows.Next() {
		if err := segmentrow.Decode(rows.RawValues(), &s.seg, &s.unpacker); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		s.seg.Wire = wireBytes(rows.RawValues())
		if err := fn(&s.seg); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return pg.ReadError(doing, err)
	}
	return nil
}

// wireBytes is what a row's values take on the connection.
func wireBytes(cols [][]byte) int {
	n := 0
	for _, c := range cols {
		n += len(c)
	}
	return n
}

// rangeColumns lists the non-empty ranges as parallel arrays, by ascending region:
// (after[i], upTo[i]] of regions[i]. Regions with nothing to read are left out, so
// that the query does not probe an index for them.
func rangeColumns(ranges map[sequence.Region]sequence.Range) (regions []int32, after, upTo []int64) {
	vec := make(sequence.Vector, len(ranges))
	for r := range ranges {
		vec[r] = 0
	}
	for _, r := range vec.Regions() {
		if rng := ranges[r]; !rng.Empty() {
			regions = append(regions, int32(r))
			after = append(after, int64(rng.After))
			upTo = append(upTo, int64(rng.UpTo))
		}
	}
	return regions, after, upTo
}
