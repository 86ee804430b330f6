package keep

// How a leaf uses its kind of partial: the part of a leaf that the loops see.

import (
	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// kind is how a leaf uses a kind of partial: as its function does, with the
// leaf's argument and at its distance from the window's end.
type kind[P any] struct {
	function.Use[P]
	offset int64 // ms: a window ends so much after its samples
	param  float64
	lead   int64 // ms before the range, where the function looks for the newest sample; 0 for others

	native *native.Use[P] // of a leaf whose series may hold native histograms; then Finish is not used
}

// value adds the function's value of one slot in a window, if it has one. before is what
// lies before the range of a function that looks there; it is not used for others.
func (k *kind[P]) value(p, before *P, slot int32, win function.Window, out *SlotValues) {
	switch {
	case k.native != nil:
		if v, ok := k.native.Finish(p, win); ok {
			out.addNative(slot, v)
		}
	case k.lead > 0:
		if v, ok := k.Since(p, before, win); ok {
			out.add(slot, v)
		}
	default:
		if v, ok := k.Finish(p, win); ok {
			out.add(slot, v)
		}
	}
}

// divide is what a window reads, in two: what lies before the range, which is empty but for
// functions that look there, and the range.
func (k *kind[P]) divide(span sequence.Span) (before, own sequence.Span) {
	border := span.After + k.lead
	return sequence.Span{After: span.After, UpTo: border}, sequence.Span{After: border, UpTo: span.UpTo}
}

// keep reports whether a sample with the value enters a partial. Staleness markers
// do so only for functions that must see where a series ends.
func (k *kind[P]) keep(v float64) bool { return k.Markers || !segment.IsStale(v) }

// over is the window whose range is the span.
func (k *kind[P]) over(span sequence.Span) function.Window {
	return function.Window{Span: span, End: span.UpTo + k.offset, Param: k.param}
}
