package flowstore

import (
	"context"

	"laminar/flownode/flowdef"
	"laminar/sequence"
)

// A new flow begins at the position where it is applied: everything before that is
// its backfill, which it asks for or not. The backfill is not a job. It is the
// distance between emitted-until and watermark, both set here, and the flownode
// covers it as it covers any other closed windows that are not stored yet.

// start is the emitted-until that a flow with a backfill begins with and the
// newest sample it selects, both sequence.NoTime where there is nothing to compute.
// Both are ms since the epoch. newest is at most the database's clock. It is of
// whole metrics, so it may be later than what the leaves select of them.
func (c *catalogueChange) start(ctx context.Context, f flowdef.Flow) (start, newest int64, err error) {
	if !f.Backfill.All && f.Backfill.Duration == 0 {
		return sequence.NoTime, sequence.NoTime, nil
	}
	// Metrics are known by name; by other labels a leaf may select nothing of them.
	// Then the backfill finds nothing in its first windows, which costs time only.
	var names []string
	for i := range f.Expr.Leaves {
		of := f.Expr.Leaves[i].Names()
		if of == nil { // the leaf leaves the metric's name open
			names = nil
			break
		}
		names = append(names, of...)
	}
	first, last, ok, err := c.Extent(ctx, names)
	if err != nil || !ok {
		return sequence.NoTime, sequence.NoTime, err
	}
	// A sender with a fast clock does not make windows close early: what lies beyond
	// the database's clock counts as now.
	pos := c.Position()
	return f.BackfillStart(first, pos.Now, pos.Earliest), min(last, pos.Now), nil
}
