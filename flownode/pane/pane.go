package pane

import "laminar/sequence"

// Grid is all panes of one width. Width > 0, in milliseconds.
type Grid struct{ Width int64 }

// End is the right end of the pane that holds t: the smallest multiple of the
// width that is not below t.
func (g Grid) End(t sequence.Time) sequence.Time { return ceil(t, g.Width) }

// Span is what the pane with this end holds.
func (g Grid) Span(end sequence.Time) sequence.Span {
	return sequence.Span{After: end - g.Width, UpTo: end}
}

// Width is the widest pane that divides range, offset and step, all in
// milliseconds: range and step positive, offset of any sign.
func Width(rng, offset, step int64) int64 {
	return gcd(gcd(rng, step), max(offset, -offset))
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
