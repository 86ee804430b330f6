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

	native *native.Use[P] // of a leaf whose series may hold native histograms; then Finish is not used
}

// value adds the function's value of one slot in a window, if it has one.
func (k *kind[P]) value(p *P, slot int32, win function.Window, out *SlotValues) {
	if k.native != nil {
		if v, ok := k.native.Finish(p, win); ok {
			out.addNative(slot, v)
		}
		return
	}
	if v, ok := k.Finish(p, win); ok {
		out.add(slot, v)
	}
}

// keep reports whether a sample with the value enters a partial. Staleness markers
// do so only for functions that must see where a series ends.
func (k *kind[P]) keep(v float64) bool { return k.Markers || !segment.IsStale(v) }

// over is the window that covers the span.
func (k *kind[P]) over(span sequence.Span) function.Window {
	return function.Window{Span: span, End: span.UpTo + k.offset, Param: k.param}
}
