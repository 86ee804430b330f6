package flowstore

import (
	"context"
	"fmt"

	"laminar/flownode/flowdef"
	queries "laminar/queries/flow"
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
//
// A flow that reads results of others begins where these do, as far as it reads them.
func (c *catalogueChange) start(ctx context.Context, i int, f flowdef.Flow) (start, newest int64, err error) {
	if !f.Backfill.All && f.Backfill.Duration == 0 {
		return sequence.NoTime, sequence.NoTime, nil
	}
	pos := c.Position()
	first, last, found := sequence.EndOfTime, sequence.NoTime, false
	part, readsRaw := c.graph.RawPart(i)
	if readsRaw {
		var ok bool
		if first, last, ok, err = c.extent(ctx, part); err != nil {
			return sequence.NoTime, sequence.NoTime, err
		}
		if found = ok; !ok {
			first, last = sequence.EndOfTime, sequence.NoTime
		}
	}
	for _, p := range c.graph.Reads(i) {
		if p == i {
			continue // it has no results yet
		}
		b, err := c.begins(ctx, p)
		if err != nil {
			return sequence.NoTime, sequence.NoTime, err
		}
		if b.after != sequence.NoTime && b.newest != sequence.NoTime {
			first, last, found = min(first, b.after+c.all[p].Every), max(last, b.newest), true
		}
	}
	if !found {
		return sequence.NoTime, sequence.NoTime, nil
	}
	// A sender with a fast clock does not make windows close early: what lies beyond
	// the database's clock counts as now.
	start = f.BackfillStart(first, pos.Now, 0)
	if readsRaw { // only what is read of raw samples must not reach before the earliest
		start = max(start, part.FirstRebuildable(pos.Earliest)-f.Every)
	}
	return start, min(last, pos.Now), nil
}

// begins is where the flow at place p of all flows begins.
func (c *catalogueChange) begins(ctx context.Context, p int) (begun, error) {
	title := c.all[p].Title()
	if b, isNew := c.begun[title]; isNew {
		return b, nil
	}
	for _, e := range c.known {
		if e.Def.Title() != title {
			continue
		}
		var b begun
		if err := c.Session().QueryRow(ctx, queries.FlowBegins, e.ID).Scan(&b.after, &b.newest); err != nil {
			return b, fmt.Errorf("look where flow %s begins: %w", title, err)
		}
		return b, nil
	}
	return begun{sequence.NoTime, sequence.NoTime}, nil
}

// readersLast is the places of the flows that are being applied, each after all that it
// reads.
func (c *catalogueChange) readersLast() []int {
	var out []int
	for _, tier := range c.graph.Tiers() {
		for _, i := range tier {
			if i < c.fresh {
				out = append(out, i)
			}
		}
	}
	return out
}

// extent is the times of the oldest and newest samples of the metrics that the flow
// names. Metrics are known by name; by other labels a leaf may select nothing of them.
// Then the backfill finds nothing in its first windows, which costs time only.
func (c *catalogueChange) extent(ctx context.Context, f flowdef.Flow) (first, last int64, ok bool, err error) {
	var names []string
	for i := range f.Expr.Leaves {
		of := f.Expr.Leaves[i].Names()
		if of == nil { // the leaf leaves the metric's name open
			names = nil
			break
		}
		names = append(names, of...)
	}
	return c.Extent(ctx, names)
}
