package keep

// The pane state of one leaf: panes, and what the leaf makes of them.
//
// Panes belong to a selection of series, and several leaves may use them. What a
// window is belongs to the leaf: its range, its function, the function's argument.

import (
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/sequence"
)

// leafState is State for one kind of partial. Folding and repairing concern the panes
// and so every leaf that uses them; windows are the leaf's own.
type leafState[P any, PP partial.Cell[P]] struct {
	*panes[P, PP]
	kind[P]
	*user[P, PP]
	before *user[P, PP] // of what lies before the range, where the function looks there; else nil

	acc, accBefore []P // scratch of Window
}

// newLeafState is state over panes without a sample.
func newLeafState[P any, PP partial.Cell[P]](k kind[P], w windowing, grid pane.Grid, from int64, at sequence.Vector) *leafState[P, PP] {
	p := &panes[P, PP]{
		cell: k.Kind, markers: k.Markers, native: k.native, grid: grid, from: from, at: at, byT: map[int64][]P{},
		pool: pool[P]{kind: k.Kind, most: sparePanes},
	}
	return using[P, PP](p, k, w)
}

// using is the state of one more leaf over panes.
func using[P any, PP partial.Cell[P]](p *panes[P, PP], k kind[P], w windowing) *leafState[P, PP] {
	s := &leafState[P, PP]{panes: p, kind: k, user: p.add(w)}
	if k.lead > 0 {
		s.before = p.add(w.before(k.lead))
	}
	return s
}

// shared is the state of a leaf over the panes of another state of the same kind.
func shared[P any, PP partial.Cell[P]](of State, k kind[P], w windowing) State {
	o, ok := of.(*leafState[P, PP])
	if !ok {
		return nil
	}
	return using[P, PP](o.panes, k, w)
}

// Panes is equal for states that use the same panes.
func (s *leafState[P, PP]) Panes() any { return s.panes }

// Same reports whether the other state uses the same panes.
func (s *leafState[P, PP]) Same(other State) bool {
	o, ok := other.(*leafState[P, PP])
	return ok && o.panes == s.panes
}

// UsedBy says which states use the panes from now on; all of them do already.
func (s *leafState[P, PP]) UsedBy(states []State) {
	users := make([]*user[P, PP], 0, len(states))
	for _, other := range states {
		if o, ok := other.(*leafState[P, PP]); ok && o.panes == s.panes {
			users = append(users, o.own()...)
		}
	}
	s.usedBy(users)
}

// Trim says that the leaf needs no pane with an end up to from, ms, a border of panes.
// Panes that no leaf needs are dropped.
func (s *leafState[P, PP]) Trim(from int64) {
	for _, u := range s.own() {
		u.needs = max(u.needs, from)
	}
	for _, u := range s.users {
		from = min(from, u.needs)
	}
	s.trim(from)
}

// Bytes is about how much memory the state takes: what arrays have room for, not
// what they hold. Each leaf that uses the same panes has its part of them.
func (s *leafState[P, PP]) Bytes() int64 {
	own := s.own()
	n := s.bytes()*int64(len(own))/int64(len(s.users)) + s.cell.Bytes(s.acc) + s.cell.Bytes(s.accBefore)
	for _, u := range own {
		n += u.slide.bytes() / int64(u.slide.users)
	}
	return n
}

// own is the leaf as a user of its panes: twice, where it looks before its range.
func (s *leafState[P, PP]) own() []*user[P, PP] {
	if s.before == nil {
		return []*user[P, PP]{s.user}
	}
	return []*user[P, PP]{s.user, s.before}
}

// windowChunk is how many slots are merged and finished at a time: few enough
// to stay in the nearest cache.
const windowChunk = 512

// Window merges the panes of the window slot by slot and finishes them. For all
// groups it goes on from what the sliding window has merged; for some groups, which
// are asked for when old windows are computed again, it merges their slots' panes.
//
// Leaves with one sliding window have the same values. The first that asks for a
// window has them computed, and they are kept for the others.
func (s *leafState[P, PP]) Window(span sequence.Span, m *Members, want GroupSet, out *SlotValues) {
	lead, own := s.divide(span)
	win := s.over(own)
	if !want.All {
		for g := range want.Set {
			for _, slot := range m.Groups[g].slots {
				acc, before := s.slotIn(slot, own), (*P)(nil)
				if s.before != nil {
					before = s.slotIn(slot, lead)
				}
				s.value(acc, before, slot, win, out)
			}
		}
		return
	}
	if s.slide.recall(span, s.changes, out) {
		return
	}
	place, n := len(out.Slots), len(m.GroupOf)
	parts := s.parts(s.slide, own, n)
	var lying [][]P // before the range
	if s.before != nil {
		lying = s.parts(s.before.slide, lead, n)
	}
	// Chunk by chunk of slots, so that the partials that are being merged stay in the
	// cache however many panes the window has.
	for lo := 0; lo < n; lo += windowChunk {
		acc := s.merged(&s.acc, parts, lo, n)
		before := acc // not looked at
		if s.before != nil {
			before = s.merged(&s.accBefore, lying, lo, n)
		}
		for i := range acc {
			s.value(&acc[i], &before[i], int32(lo+i), win, out)
		}
	}
	s.slide.remember(span, s.changes, out, place)
}

// slotIn is what the panes of a slot in the span merge to.
func (s *leafState[P, PP]) slotIn(slot int32, span sequence.Span) *P {
	acc := mergeSlot[P, PP](s.byT, s.grid.Width, slot, span)
	return &acc
}

// parts is what is to be merged to the window of a slide over the span, of n slots, in
// order of time.
func (s *leafState[P, PP]) parts(w *slide[P, PP], span sequence.Span, n int) [][]P {
	var parts [][]P
	rest := span.After
	if w.follow(s.byT, n, span.After, span.UpTo) {
		parts, rest = append(parts, w.base), w.merged
	}
	for end := rest + s.grid.Width; end <= span.UpTo; end += s.grid.Width {
		if c := s.byT[end]; c != nil {
			parts = append(parts, c)
		}
	}
	return parts
}

// merged merges parts for a chunk of n slots that begins at lo, into an array that is made
// where it is missing.
func (s *leafState[P, PP]) merged(into *[]P, parts [][]P, lo, n int) []P {
	if cap(*into) < windowChunk {
		*into = make([]P, windowChunk)
	}
	acc, filled := (*into)[:min(windowChunk, n-lo)], 0
	for _, part := range parts {
		if lo >= len(part) {
			continue
		}
		part = part[lo:min(len(part), lo+len(acc))]
		if filled == 0 { // into the memory of the chunk before, where partials point to some
			s.Kind.Copy(acc[:len(part)], part)
			filled = len(part)
			continue
		}
		if filled < len(part) {
			clear(acc[filled:len(part)])
			filled = len(part)
		}
		s.Kind.Merge(acc, part)
	}
	clear(acc[filled:])
	return acc
}

// Lane is a view of s for a goroutine that folds while others do, each into slots
// of its own. The lanes write to the arrays of s without a lock, which is safe for
// two reasons: s makes each array, under making, with room for every slot, so none
// is ever replaced; and no two lanes write to one cell. A lane keeps the arrays it
// has met in its own map, so the lock is taken once per lane and pane.
//
// A lane is for folding only, until s is used again. No window over the panes may
// have been computed before, because lanes do not note stale slots.
func (s *leafState[P, PP]) Lane() State {
	p := &panes[P, PP]{cell: s.cell, markers: s.markers, native: s.panes.native, grid: s.grid, from: s.from, at: s.at, byT: map[int64][]P{}, whole: s.panes}
	return &leafState[P, PP]{panes: p, kind: s.kind, user: &user[P, PP]{}}
}
