package flowstore

import (
	"context"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// start is the emitted-until that a flow with a backfill begins with and the
// newest sample it selects, both Unset where there is nothing to compute.
func (c *catalogueChange) start(ctx context.Context, f flowdef.Flow) (start, newest int64, err error) {
	if !f.Backfill.All && f.Backfill.Duration == 0 {
		return progress.Unset, progress.Unset, nil
	}
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
		return progress.Unset, progress.Unset, err
	}
	pos := c.Position()
	return backfillStart(f, first, pos), min(last, pos.Now), nil
}

// backfillStart is the end of time before which a flow's backfill emits
// nothing, a multiple of its step: before the first window that a sample
// reaches, not before the time asked for, and not before the first window of
// which no sample has been given up (I6).
func backfillStart(f flowdef.Flow, firstSample int64, pos sequence.Position) int64 {
	end := pane.FirstEnd(firstSample, f.Expr.MinOffset, f.Every)
	if !f.Backfill.All {
		end = max(end, pane.FirstEnd(pos.Now-f.Backfill.Duration+1, 0, f.Every))
	}
	return max(end, firstRebuildable(f, pos.Earliest)) - f.Every
}

// firstRebuildable is the end of the first window of which no raw sample has
// been given up, 0 when none ever were.
func firstRebuildable(f flowdef.Flow, earliest int64) int64 {
	if earliest == 0 {
		return 0
	}
	return pane.FirstEnd(earliest-1, f.Expr.MaxReach, f.Every)
}
