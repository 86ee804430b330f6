package raw

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore/pg"
)

// Segments without their samples: how many there are, and which spans of time and of
// sequences they cover. A round decides by this what it has to read. It costs an
// index scan, where reading the samples would cost what the round wants to avoid.
//
// A description is never too narrow. A hot segment's sequence and times are exact.
// A sealed segment's sequences are those of the whole merge, so it can be listed
// although none of its samples lies after the vector; flowplan.Plan allows for that.

// Infos describes every segment of the metrics that may hold samples after the
// vector: hot ones with a sequence after it, sealed ones with MaxSeq after it.
// Ordered hot ones of a region and metric are described as one. The order is not
// defined.
func (s *Snapshot) Infos(ctx context.Context, metrics []sequence.MetricID, after sequence.Vector) ([]segment.Info, error) {
	regions, seqs := s.afterColumns(after)
	if len(regions) == 0 || len(metrics) == 0 {
		return nil, nil
	}
	// A row is scanned into one value, which is copied: there can be thousands.
	rows, err := s.conn.Query(ctx, s.bind(queries.SegmentInfos), metricIDs(metrics), regions, seqs)
	if err != nil {
		return nil, pg.ReadError("describe segments", err)
	}
	var (
		out []segment.Info
		one segment.Info
	)
	_, err = pgx.ForEachRow(rows, []any{
		(*int32)(&one.Region), (*int64)(&one.MinSeq), (*int64)(&one.MaxSeq), (*int32)(&one.Metric),
		&one.Ordered, &one.Sealed, &one.MinT, &one.MaxT, &one.Samples, &one.Packed, &one.Bytes, &one.Segments,
	}, func() error {
		out = append(out, one)
		return nil
	})
	if err != nil {
		return nil, pg.ReadError("describe segments", err)
	}
	return out, nil
}

// Spans lists the time spans of the segments that overlap the selection,
// joined where they touch. Select.Series is not looked at.
func (s *Snapshot) Spans(ctx context.Context, sel segment.Select) (sequence.Spans, error) {
	if len(sel.Metrics) == 0 {
		return nil, nil
	}
	// Merged by the server: there are many segments and few spans.
	span := spanOf(sel)
	rows, err := s.conn.Query(ctx, s.bind(queries.SegmentSpans), metricIDs(sel.Metrics), span.After, span.UpTo)
	if err != nil {
		return nil, pg.ReadError("list time spans", err)
	}
	var (
		out         sequence.Spans
		first, last sequence.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&first, &last}, func() error {
		out = append(out, sequence.Between(first, last))
		return nil
	})
	if err != nil {
		return nil, pg.ReadError("list time spans", err)
	}
	return out, nil
}

// Extent is the times of the oldest and the newest sample of the metrics, ms; nil
// names mean every metric. ok is false when there are no samples. It reads what
// is known of the segments, and unpacks none.
func (s *Snapshot) Extent(ctx context.Context, metrics []string) (first, last sequence.Time, ok bool, err error) {
	var from, to *int64 // null when there is no segment
	if err := s.conn.QueryRow(ctx, s.bind(queries.SegmentExtent), metrics).Scan(&from, &to); err != nil {
		return 0, 0, false, fmt.Errorf("look how far samples go: %w", pg.Interpret(err))
	}
	if from == nil {
		return 0, 0, false, nil
	}
	return *from, *to, true, nil
}

// Metrics lists the metrics that have segments which overlap the span, of those that
// are named, in the order of their names; nil names mean every metric.
func (s *Snapshot) Metrics(ctx context.Context, names []string, span sequence.Span) ([]series.Metric, error) {
	rows, err := s.conn.Query(ctx, s.bind(queries.MetricsStored), span.After, span.UpTo, pg.StorableOf(names))
	if err != nil {
		return nil, pg.ReadError("list metrics", err)
	}
	var (
		out []series.Metric
		one series.Metric
	)
	_, err = pgx.ForEachRow(rows, []any{(*int32)(&one.ID), &one.Name}, func() error {
		out = append(out, one)
		return nil
	})
	if err != nil {
		return nil, pg.ReadError("list metrics", err)
	}
	return out, nil
}

// afterColumns lists the regions in which the snapshot is ahead of a vector,
// with the vector's sequence: in the others there is nothing to look for.
func (s *Snapshot) afterColumns(after sequence.Vector) (regions []int32, seqs []int64) {
	for _, r := range s.pos.Vector.Regions() {
		if s.pos.Vector.At(r) > after.At(r) {
			regions, seqs = append(regions, int32(r)), append(seqs, int64(after.At(r)))
		}
	}
	return regions, seqs
}

// regionColumn lists the regions that hold anything.
func (s *Snapshot) regionColumn() []int32 {
	out := make([]int32, 0, len(s.pos.Vector))
	for _, r := range s.pos.Vector.Regions() {
		out = append(out, int32(r))
	}
	return out
}

// spanOf is the span of a selection, all times where it does not restrict.
func spanOf(sel segment.Select) sequence.Span {
	if sel.Span == (sequence.Span{}) {
		return sequence.Span{After: -1, UpTo: sequence.EndOfTime} // the epoch itself is a valid time
	}
	return sel.Span
}

// maxSpans is how many spans the server compares each segment with at most. The
// comparison is made for each pair, so many spans would cost more than they save.
// Reading a little more than was asked for is harmless: a reader looks at the
// times of samples anyway.
const maxSpans = 128

// spanColumns is the spans as columns, nil for none. Of too many those are
// joined that are nearest to each other.
func spanColumns(spans sequence.Spans) (after, upTo []int64) {
	if spans == nil {
		return nil, nil
	}
	gap := int64(-1) // gaps up to this are joined
	// Of n spans in order n-1 gaps lie between them. Joining over the smallest
	// leaves the maxSpans-1 largest open, and reads the least in addition.
	if n := len(spans); n > maxSpans {
		gaps := make([]int64, n-1)
		for i := range gaps {
			gaps[i] = spans[i+1].After - spans[i].UpTo
		}
		slices.Sort(gaps)
		gap = gaps[n-1-maxSpans]
	}
	// Not nil, which would mean every time.
	after, upTo = []int64{}, []int64{}
	for _, s := range spans {
		if n := len(upTo); n > 0 && s.After-upTo[n-1] <= gap {
			upTo[n-1] = s.UpTo
			continue
		}
		after, upTo = append(after, s.After), append(upTo, s.UpTo)
	}
	return after, upTo
}

// metricIDs are the metrics as a parameter.
func metricIDs(metrics []sequence.MetricID) []int32 {
	out := make([]int32, len(metrics))
	for i, m := range metrics {
		out[i] = int32(m)
	}
	return out
}
