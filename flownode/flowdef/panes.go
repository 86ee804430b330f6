package flowdef

import "errors"

// errNoStep says that windows have no step.
var errNoStep = errors.New("`every` is missing: it says how far apart windows end, " +
	"and can be left out only where every selector has a range and all ranges are equal")

// cut settles the step and cuts every leaf's window into panes: the pane width
// is the largest that divides range, offset and step, so that the window of
// every step begins and ends on a border between panes.
func (c *Compiled) cut(every int64) (step int64, err error) {
	step = every
	if step == 0 {
		if step = c.oneRange(); step == 0 {
			return 0, errNoStep
		}
	}
	c.MaxRange, c.MaxReach, c.MinOffset = 0, 0, c.Leaves[0].Offset
	for i := range c.Leaves {
		l := &c.Leaves[i]
		l.Pane = gcd(gcd(l.Range, step), l.Offset)
		l.Panes = l.Range / l.Pane
		l.Batch = l.Panes > MaxPanes
		c.MaxRange = max(c.MaxRange, l.Span(step))
		c.MaxReach = max(c.MaxReach, l.Offset+l.Range)
		c.MinOffset = min(c.MinOffset, l.Offset)
	}
	return step, nil
}

// oneRange is the range that all leaves have, or 0.
func (c *Compiled) oneRange() int64 {
	for i := range c.Leaves {
		if l := &c.Leaves[i]; l.Func == FuncInstant || l.Range != c.Leaves[0].Range {
			return 0
		}
	}
	return c.Leaves[0].Range
}

// gcd is the greatest common divisor of a > 0 and b >= 0; gcd(a, 0) is a.
func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
