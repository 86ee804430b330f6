package raw

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// sealed has a partition for each time bucket that is not old, so that retention drops tables
// instead of deleting rows, and a reading of some days looks at no others. The
// name of a partition is the day that it holds; nothing else remembers it.
//
// Samples that were old when they were sealed share a partition for each month: a
// partition for each day of fifty years would be more tables than a query of sealed
// can lock. A month of which some days have partitions already goes on by days.

// partitionName is "sealed_20060102", the UTC day that a bucket is; monthName is what
// holds a month of old samples.
const (
	partitionName = "sealed_20060102"
	monthName     = "sealed_200601"
)

// oldBuckets is how far behind the newest sample a bucket has no partition of its own.
const oldBuckets = 100 * segment.BucketMillis

// partitionOf is the partition of sealed for a time bucket.
func partitionOf(bucket int64) string {
	return time.UnixMilli(bucket).UTC().Format(partitionName)
}

// timeSpan is from <= t < to, ms since the epoch.
type timeSpan struct{ from, to int64 }

// partitionSpan is the time that a partition holds; false for a name that is not one of a
// partition of ours.
func partitionSpan(partition string) (span timeSpan, ok bool) {
	if day, err := time.Parse(partitionName, partition); err == nil {
		return timeSpan{day.UnixMilli(), day.AddDate(0, 0, 1).UnixMilli()}, true
	}
	if month, err := time.Parse(monthName, partition); err == nil {
		return timeSpan{month.UnixMilli(), month.AddDate(0, 1, 0).UnixMilli()}, true
	}
	return timeSpan{}, false
}

// listPartitions lists the partitions of sealed.
func listPartitions(ctx context.Context, q pg.Querier) ([]string, error) {
	rows, err := q.Query(ctx, queries.SealedPartitions)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// partitionFor names the partition to be made for a bucket: of its month, if it is old
// at now (ms since the epoch) and nothing there has a partition, else of its day.
func partitionFor(bucket, now int64, there []timeSpan) string {
	month := time.UnixMilli(bucket).UTC().Format(monthName)
	span, _ := partitionSpan(month)
	taken := func(s timeSpan) bool { return s.from < span.to && span.from < s.to }
	if span.to > now-oldBuckets || slices.ContainsFunc(there, taken) {
		return partitionOf(bucket)
	}
	return month
}
