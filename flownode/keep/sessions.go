package keep

// The state of a leaf whose results are sessions.
//
// A window of other leaves is consecutive panes, all of them merged to one value of a
// slot. A session begins and ends where samples do, and a pane of a series can hold
// several. So panes hold lists of runs, and sessions are found in the lists of all series
// of a group (package session). A slot is a series.

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/flownode/session"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Sessions is State of a leaf whose results are sessions.
type Sessions struct {
	*runPanes
	finder *session.Finder
}

// runPanes is the runs of a selection of series, by pane and slot. C1 and C2 hold for it.
type runPanes struct {
	rule    *session.Rule
	grid    pane.Grid
	from    int64
	at      sequence.Vector
	ends    []int64                   // of the panes, ascending
	byT     map[int64][][]session.Run // by the pane's right end, then slot
	touched slotSet                   // slots that have changed since TakeTouched

	last    int64 // the pane that was added to last, and its cells
	current [][]session.Run

	whole  *runPanes  // of a lane: whose panes it folds into; else nil
	making sync.Mutex // held while a lane looks for a pane
}

// sessionTraits is what decisions about such state go by, before Leaf.Learn.
var sessionTraits = partial.Traits{Name: "runs of samples", Ordered: true, CellBytes: sliceBytes + 2*runBytes}

const (
	sliceBytes = 24
	runBytes   = 48
)

// newSessions is state without a sample.
func newSessions(rule *session.Rule, from int64, at sequence.Vector) *Sessions {
	p := &runPanes{rule: rule, grid: rule.Grid(), from: from, at: at, byT: map[int64][][]session.Run{}, last: sequence.NoTime}
	return &Sessions{runPanes: p, finder: session.NewFinder(rule)}
}

// SessionsOf is the state of a leaf as such state; nil where it has none.
func SessionsOf(l *Leaf) *Sessions {
	s, _ := l.State.(*Sessions)
	return s
}

// TakeTouched lists the slots that have changed since it was called last.
func (s *runPanes) TakeTouched() []int32 {
	out := slices.Clone(s.touched.slots)
	s.touched.reset()
	return out
}

// Find appends the sessions of a group that end in the span, oldest first. The state must
// reach back to where they are settled (session.Rule.Needs).
func (s *Sessions) Find(m *Members, group int32, ends sequence.Span, out []session.Session) []session.Session {
	needs := s.rule.Needs(ends)
	for _, slot := range m.Groups[group].slots {
		for _, end := range s.panesIn(needs) {
			if cells := s.byT[end]; int(slot) < len(cells) {
				s.finder.Add(slot, cells[slot])
			}
		}
	}
	return s.finder.Find(ends, out)
}

// panesIn lists the ends of the panes in memory that overlap a span, ascending. They must
// not be changed.
func (s *runPanes) panesIn(span sequence.Span) []int64 {
	from, _ := slices.BinarySearch(s.ends, span.After+1) // a pane holds what is up to its end
	to := from
	for to < len(s.ends) && s.ends[to]-s.grid.Width < span.UpTo {
		to++
	}
	return s.ends[from:to]
}

// EndIn calls fn for each slot of which a run ends in the span, perhaps several times. A
// session of its group may end there; if none of its slots has such a run, none does.
func (s *runPanes) EndIn(ends sequence.Span, fn func(slot int32)) {
	for _, end := range s.panesIn(ends) {
		for slot, runs := range s.byT[end] {
			for i := range runs {
				if ends.Holds(runs[i].Last) {
					fn(int32(slot))
				}
			}
		}
	}
}

// Soonest is the earliest end of a run that is later than a time; sequence.NoTime for
// none.
func (s *runPanes) Soonest(after sequence.Time) sequence.Time {
	soonest := sequence.NoTime
	for _, end := range s.panesIn(sequence.Span{After: after, UpTo: sequence.EndOfTime}) {
		for _, runs := range s.byT[end] {
			for i := range runs {
				if t := runs[i].Last; t > after && (soonest == sequence.NoTime || t < soonest) {
					soonest = t
				}
			}
		}
		if soonest != sequence.NoTime {
			break
		}
	}
	return soonest
}

// cells is the pane with room for so many slots.
func (s *runPanes) cells(end int64, slots int) [][]session.Run {
	if end == s.last && len(s.current) >= slots {
		return s.current
	}
	c, known := s.byT[end]
	if len(c) < slots {
		if s.whole != nil {
			// As with other panes: made with room for all slots, so never replaced while
			// lanes fold.
			s.whole.making.Lock()
			defer s.whole.making.Unlock()
			c = s.whole.cells(end, slots)
		} else {
			c = append(slices.Grow(c, slots-len(c)), make([][]session.Run, slots-len(c))...)
		}
		s.byT[end] = c
	}
	if !known {
		at, _ := slices.BinarySearch(s.ends, end)
		s.ends = slices.Insert(s.ends, at, end)
	}
	s.last, s.current = end, c
	return c
}

// add adds a sample that is later than all of its slot and pane.
func (s *runPanes) add(slot int32, slots int, t int64, v float64) {
	if t <= s.from || segment.IsStale(v) || !s.rule.When.Holds(v) {
		return
	}
	end := s.last
	if t > end || t <= end-s.grid.Width {
		end = s.grid.End(t)
	}
	cell := &s.cells(end, max(slots, int(slot)+1))[slot]
	*cell = s.rule.Add(*cell, t, v)
	if s.whole == nil {
		s.touched.add(slot)
	}
}

// Fold adds the members' samples of a hot ordered segment. touched is called for samples
// with t <= closedT, before they are added. Native histograms are no samples of sessions.
func (s *runPanes) Fold(seg *segment.Segment, m *Members, closedT int64, touched func(t int64, slot int32)) {
	if seg.MaxT <= s.from && seg.MinT > closedT || seg.Histograms != nil {
		return
	}
	for i, id := range seg.Series {
		slot := m.Index.Get(id)
		if slot == NoSlot {
			continue
		}
		t := seg.Time(i)
		if t <= closedT {
			touched(t, slot)
		}
		s.add(slot, len(m.GroupOf), t, seg.Values[i])
	}
}

// FoldSorted adds samples of one of slots slots, in time order.
func (s *runPanes) FoldSorted(slot int32, slots int, ts []int64, vs []float64) {
	for i, t := range ts {
		s.add(slot, slots, t, vs[i])
	}
}

// FoldMixed adds samples of any of slots slots, those of one series in time order.
func (s *runPanes) FoldMixed(slot []int32, slots int, ts []int64, vs []float64) {
	for i, t := range ts {
		s.add(slot[i], slots, t, vs[i])
	}
}

// FoldHistograms leaves native histograms out: they are no samples of sessions.
func (s *runPanes) FoldHistograms(int32, int, []promql.HPoint) {}

// MergeSimple is never called: no database aggregates runs of samples.
func (s *runPanes) MergeSimple(int64, int32, int, partial.Simple) {}

// ClearCells empties cells of a pane, before they are folded again.
func (s *runPanes) ClearCells(end int64, slots []int32) {
	cells := s.byT[end]
	for _, slot := range slots {
		if int(slot) < len(cells) {
			cells[slot] = nil
			s.touched.add(slot)
		}
	}
}

// Lane is a view for a goroutine that folds while others do, each into slots of its own:
// see leafState.Lane. It notes no slots that change.
func (s *Sessions) Lane() State {
	lane := newSessions(s.rule, s.from, s.at)
	lane.whole = s.runPanes
	return lane
}

// Merge joins the panes of a state that holds later samples.
func (s *Sessions) Merge(other State) {
	o, ok := other.(*Sessions)
	if !ok {
		return
	}
	for end, later := range o.byT {
		cells := s.cells(end, len(later))
		for slot, runs := range later {
			if len(runs) > 0 {
				cells[slot] = s.rule.Glue(cells[slot], runs)
				s.touched.add(int32(slot))
			}
		}
	}
}

// Position is where the state stands, and from where on it has panes.
func (s *runPanes) Position() (sequence.Vector, int64) { return s.at, s.from }

// Advance moves the state to the position to, after the delta rng was folded.
func (s *runPanes) Advance(rng map[sequence.Region]sequence.Range, to sequence.Vector) error {
	for r, x := range rng {
		if x.After != s.at.At(r) {
			return fmt.Errorf("advance sessions of region %d by %s: they stand at %d (%s)", r, x, s.at.At(r), progress.ReaderDisagrees)
		}
	}
	s.at = to
	return nil
}

// Trim drops panes with an end up to from, a border of panes.
func (s *runPanes) Trim(from int64) {
	if from <= s.from {
		return
	}
	for len(s.ends) > 0 && s.ends[0] <= from {
		delete(s.byT, s.ends[0])
		s.ends = s.ends[1:]
	}
	s.from, s.last, s.current = from, sequence.NoTime, nil
}

// Occupied lists the ends of the panes in memory, ascending.
func (s *runPanes) Occupied() []int64 { return slices.Clone(s.ends) }

// PaneCount is how many panes are in memory.
func (s *runPanes) PaneCount() int { return len(s.ends) }

// Beyond reports whether a sample is later than a time.
func (s *Sessions) Beyond(after int64) bool {
	for _, end := range s.panesIn(sequence.Span{After: after, UpTo: sequence.EndOfTime}) {
		for _, runs := range s.byT[end] {
			if n := len(runs); n > 0 && runs[n-1].Last > after {
				return true
			}
		}
	}
	return false
}

// Holds reports whether a pane that overlaps the span holds samples.
func (s *Sessions) Holds(span sequence.Span) bool { return len(s.panesIn(span)) > 0 }

// Bytes is about how much memory the state takes.
func (s *runPanes) Bytes() int64 {
	n := int64(0)
	for _, cells := range s.byT {
		n += cellsBytes(cells)
	}
	return n
}

func cellsBytes(cells [][]session.Run) int64 {
	n := int64(cap(cells)) * sliceBytes
	for _, runs := range cells {
		n += int64(cap(runs)) * runBytes
	}
	return n
}

// slotBytes is how much one of so many slots takes on average in the fullest pane.
func (s *runPanes) slotBytes(slots int) int64 {
	most := int64(0)
	for _, cells := range s.byT {
		most = max(most, cellsBytes(cells)-int64(cap(cells))*sliceBytes)
	}
	return sliceBytes + most/int64(max(slots, 1))
}

// Window adds the values of the newest session of each wanted slot, of its own samples,
// that ends in the span.
func (s *Sessions) Window(span sequence.Span, m *Members, want GroupSet, out *SlotValues) {
	for slot, group := range m.GroupOf {
		if want.Has(group) {
			if found := s.ofSlot(int32(slot), span); len(found) > 0 {
				out.add(int32(slot), found[len(found)-1].Value)
			}
		}
	}
}

// ofSlot is the sessions of one slot's samples that end in the span.
func (s *Sessions) ofSlot(slot int32, span sequence.Span) []session.Session {
	for _, end := range s.panesIn(s.rule.Needs(span)) {
		if cells := s.byT[end]; int(slot) < len(cells) {
			s.finder.Add(slot, cells[slot])
		}
	}
	return s.finder.Find(span, nil)
}

// Look lists the panes with an end in the span, oldest first, and their runs.
func (s *Sessions) Look(ends sequence.Span, look Look) (panes []PaneLook, partials []PartialLook, more int64) {
	for _, end := range s.Occupied() {
		if !ends.Holds(end) {
			continue
		}
		cells := s.byT[end]
		p := PaneLook{End: end, Bytes: cellsBytes(cells)}
		for _, runs := range cells {
			if len(runs) > 0 {
				p.Cells++
			}
		}
		panes = append(panes, p)
		look.each(len(cells), func(slot int32) {
			for _, run := range cells[slot] {
				if len(partials) >= look.Most {
					more++
					continue
				}
				partials = append(partials, PartialLook{End: end, Slot: slot, Fields: []partial.Field{
					{Name: "first_t", Value: partial.At(run.First)}, {Name: "last_t", Value: partial.At(run.Last)}, {Name: "count", Value: run.Count},
				}})
			}
		})
	}
	return panes, partials, more
}

// LookMerged lists the sessions of the slots that end in the span.
func (s *Sessions) LookMerged(span sequence.Span, slots int, look Look) (merged []PartialLook, more int64) {
	look.each(slots, func(slot int32) {
		for _, found := range s.ofSlot(slot, span) {
			if len(merged) >= look.Most {
				more++
				continue
			}
			merged = append(merged, PartialLook{
				End: found.Last, Slot: slot, Valued: true, Value: found.Value,
				Fields: []partial.Field{{Name: "first_t", Value: partial.At(found.First)}, {Name: "last_t", Value: partial.At(found.Last)}},
			})
		}
	})
	return merged, more
}

// Panes is equal for states that use the same panes: such panes are never shared.
func (s *Sessions) Panes() any { return s }

// Same reports whether the other state uses the same panes.
func (s *Sessions) Same(other State) bool { return other == State(s) }

// UsedBy has nothing to do: such panes are never shared.
func (s *Sessions) UsedBy([]State) {}
