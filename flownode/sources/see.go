package sources

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"laminar/flownode/keep"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Watched is a flow whose sources are to be told of a delta.
type Watched struct {
	Sources *Sources
	Leaves  keep.Leaves
}

// See reads the delta in the ranges, which are of raw samples, once for all of the flows,
// and notes what it holds of each source. Pane state knows slots and groups, and of a sample
// neither its source nor its commit: so these flows have their delta read once more.
func See(ctx context.Context, r *read.Reader, commits read.Commits, ranges map[sequence.Region]sequence.Range, flows []Watched) error {
	byMetric := map[sequence.MetricID][]*Sources{}
	for _, f := range flows {
		for _, m := range f.Leaves.Metrics() {
			if m >= 0 { // no result of a flow
				byMetric[m] = append(byMetric[m], f.Sources)
			}
		}
	}
	if len(byMetric) == 0 || len(ranges) == 0 {
		return nil
	}
	times, err := commits.Committed(ctx, ranges)
	if err != nil {
		return fmt.Errorf("read when samples were committed: %w", err)
	}
	return r.ReadDelta(ctx, slices.Sorted(maps.Keys(byMetric)), ranges, segment.PickAll, func(seg *segment.Segment) error {
		r.Samples += int64(seg.Len())
		at, known := times[seg.Region][seg.MaxSeq]
		if !known {
			at = sequence.NoTime
		}
		for _, s := range byMetric[seg.Metric] {
			s.Take(seg, at)
		}
		return nil
	})
}
