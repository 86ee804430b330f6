package flowdef

import (
	"errors"
	"math"

	"laminar/flownode/pane"
)

// How windows are cut into panes. A flow keeps its state by pane, so that a window
// is a merge of panes and neighbouring windows share them. Both ends of every
// window must be borders between panes:
//
//	end - Offset and end - Offset - Range are multiples of Pane, if end is one
//	of the step
//
// which holds if Pane divides all three. The largest such width has the fewest
// panes:
//
//	range  step  offset   pane   panes in a window
//	5m     1m             1m     5
//	5m     5m             5m     1: windows stand side by side
//	5m     2m             1m     5
//	1h     1m    90s      30s    120
//	2m     2m    1ms      2m     1, a millisecond before the others: [start, end)
//	30d    1m             1m     43,200
//	1h     7s             1s     3,600 narrow ones, more than MaxPanes: batch

// ErrNoStep says that an expression leaves open how far apart windows end, and
// the definition does not say it.
var ErrNoStep = errors.New("`every` is missing: it says how far apart windows end, " +
	"and can be left out only where every selector has a range, all ranges are equal, and none is a subquery's")

// cut settles the step and cuts every leaf's window into panes: the pane width
// is the largest that divides range, offset and step, so that the window of
// every step begins and ends on a border between panes.
func (c *Compiled) cut(every int64) (step int64, err error) {
	step = every
	if step == 0 {
		if step = c.oneRange(); step == 0 {
			return 0, ErrNoStep
		}
	}
	if len(c.Leaves) == 0 {
		c.MaxRange, c.MaxReach, c.MinOffset = step, step, 0
		return step, nil
	}
	// unpinned holds that at least one leaf is not pinned, so these get values.
	c.MaxRange, c.MaxReach, c.MinOffset = 0, math.MinInt64, math.MaxInt64
	for i := range c.Leaves {
		l := &c.Leaves[i]
		grid := pane.Cut(l.Offset, step, l.Range, l.Lead)
		l.Pane, l.Phase = grid.Width, grid.Phase
		l.Panes = l.Range / l.Pane
		l.Batch = c.Batch || l.Panes > PanesKept(l.Pane)
		if l.Pinned {
			continue
		}
		c.MaxRange = max(c.MaxRange, l.Length(step))
		c.MaxReach = max(c.MaxReach, l.Offset+l.Range)
		c.MinOffset = min(c.MinOffset, l.Offset)
	}
	return step, nil
}

// oneRange is the range that all leaves have, or 0: with it as the step, windows
// stand side by side and every sample is in one of them. A leaf without a range
// of its own, and one in a subquery, leaves the step open.
func (c *Compiled) oneRange() int64 {
	one := int64(-1)
	for i := range c.Leaves {
		switch l := &c.Leaves[i]; {
		case l.Pinned:
		case l.nested, one >= 0 && l.Length(0) != one:
			return 0
		default:
			one = l.Length(0)
		}
	}
	return max(0, one)
}
