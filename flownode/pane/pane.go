package pane

import "laminar/sequence"

// Grid is all panes of one width. They end at multiples of the width and a phase more.
type Grid struct {
	Width int64 // ms, > 0
	Phase int64 // ms, in [0, Width)
}

// End is the right end of the pane that holds t: the first that is not below t.
func (g Grid) End(t sequence.Time) sequence.Time { return ceil(t-g.Phase, g.Width) + g.Phase }

// Span is what the pane with this end holds.
func (g Grid) Span(end sequence.Time) sequence.Span {
	return sequence.Span{After: end - g.Width, UpTo: end}
}

// Width is the widest pane that divides range, offset and step, all in
// milliseconds: range and step positive, offset of any sign.
func Width(rng, offset, step int64) int64 {
	return gcd(gcd(rng, step), max(offset, -offset))
}

// Cut is the widest panes that windows of some ranges can be made of, all of which end at
// an offset before multiples of the step. It is a multiple of a second that is divided: a
// rest of it becomes the phase. So a millisecond of offset, as windows have that are closed
// on the left, does not make panes as narrow as that. Ranges are not negative, the
// step is positive, the offset of any sign, all in milliseconds.
func Cut(offset, step int64, ranges ...int64) Grid {
	rest := offset - floor(offset, 1000)
	g := Grid{Width: Width(step, offset-rest, step)}
	for _, rng := range ranges {
		g.Width = gcd(g.Width, rng)
	}
	g.Phase = -rest - floor(-rest, g.Width)
	return g
}

// gcd is the greatest common divisor of a > 0 and b >= 0; gcd(a, 0) is a.
func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// floor is the largest multiple of width that is not above t.
func floor(t, width int64) int64 {
	rest := t % width
	if rest < 0 {
		rest += width
	}
	return t - rest
}

// ceil is the smallest multiple of width that is not below t.
func ceil(t, width int64) int64 {
	rest := t % width
	if rest > 0 {
		rest -= width
	}
	return t - rest
}
