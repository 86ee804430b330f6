package sqlstore

import (
	"context"
	"fmt"

	"laminar/queries"
	"laminar/sequence/segment"
)

// RetainReport is what a Retain did.
type RetainReport struct {
	Earliest int64 // samples before this time (ms since the epoch) are given up
	Drop     DropReport
}

// Retain gives up all samples before a time, in milliseconds since the epoch,
// aligned down to a time bucket. The time is committed first and never goes
// back: from then on ingest, sealing and refills refuse what is older (I6).
// Then the partitions that lie wholly before it are dropped, as soon as no
// older snapshot can read them; until then the report counts them as waiting.
func (s *Store) Retain(ctx context.Context, before int64) (RetainReport, error) {
	var report RetainReport
	if err := s.pool.QueryRow(ctx, queries.RetentionRaise, before, segment.BucketMillis).Scan(&report.Earliest); err != nil {
		return report, fmt.Errorf("give up samples before %d: %w", before, interpret(err))
	}
	partitions, err := s.partitions(ctx)
	if err != nil {
		return report, fmt.Errorf("list partitions: %w", interpret(err))
	}
	var expired []string
	for _, name := range partitions {
		if bucket, ok := bucketOf(name); ok && bucket+segment.BucketMillis <= report.Earliest {
			expired = append(expired, name)
		}
	}
	if len(expired) > 0 {
		if _, err := s.pool.Exec(ctx, queries.UnusedAdd, expired); err != nil {
			return report, fmt.Errorf("mark %d expired partitions: %w", len(expired), interpret(err))
		}
	}
	report.Drop, err = s.DropUnused(ctx)
	return report, err
}
