package keep

import "laminar/flownode/partial"

// pool keeps arrays of partials that are not used any more, to be used again: panes
// come and go in step with time, each as large as the one before.
type pool[P any] struct {
	kind *partial.Kind[P]
	most int // how many arrays are kept
	free [][]P
}

// take returns an array without slots but room for n, where there is one.
func (p *pool[P]) take(n int) []P {
	if i := len(p.free) - 1; i >= 0 {
		a := p.free[i]
		p.free = p.free[:i]
		if cap(a) >= n {
			return a[:0]
		}
	}
	return make([]P, 0, n)
}

// fresh returns an array of n empty slots.
func (p *pool[P]) fresh(n int) []P {
	a := p.take(n)[:n]
	clear(a)
	return a
}

// recycle keeps an array that is not used any more for take. Partials that point to
// memory are cleared, so that the array does not keep that memory alive.
func (p *pool[P]) recycle(a []P) {
	if !p.kind.Flat() {
		clear(a)
	}
	if cap(a) > 0 && len(p.free) < p.most {
		p.free = append(p.free, a[:0])
	}
}

// bytes is about how much memory the kept arrays take.
func (p *pool[P]) bytes() int64 {
	n := int64(0)
	for _, a := range p.free {
		n += p.kind.Bytes(a)
	}
	return n
}

// grow makes the array have n slots at least. New slots are empty, also where the
// room was used before.
func grow[P any](a []P, n int) []P {
	if n <= len(a) {
		return a
	}
	if n <= cap(a) {
		clear(a[len(a):n])
		return a[:n]
	}
	grown := make([]P, n)
	copy(grown, a)
	return grown
}
