package flownode

// Lane is a view of s for a goroutine that folds while others do, each into slots
// of its own: the arrays of panes are those of s, which makes them, all with room
// for every slot, so that none is ever replaced. It is for folding only, until s
// is used again, and no window of s may have been computed before.
func (s *panes[P, PP]) Lane() State {
	return &panes[P, PP]{kind: s.kind, grid: s.grid, from: s.from, at: s.at, byT: map[int64][]P{}, whole: s}
}

// laneCells is cells of a lane that has not met the pane yet.
func (s *panes[P, PP]) laneCells(end int64, slots int) []P {
	s.whole.making.Lock()
	defer s.whole.making.Unlock()
	s.whole.slide.changing(end)
	c := s.whole.cells(end, int32(slots-1), slots)
	s.byT[end] = c
	return c
}

// Merge joins the panes of other, which is of the same kind and holds other
// samples, in any order of time: for kinds that commute.
func (s *panes[P, PP]) Merge(other State) {
	o, ok := other.(*panes[P, PP])
	if !ok {
		return
	}
	for end, later := range o.byT {
		into := s.cells(end, int32(len(later)-1), len(later))
		s.Kind.Merge(into, later)
		if s.slide.changing(end) {
			for slot := range later {
				if !PP(&later[slot]).Empty() {
					s.slide.stale.add(int32(slot))
				}
			}
		}
	}
}
