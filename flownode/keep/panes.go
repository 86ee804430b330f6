package keep

// Panes of one kind of partial: folding, repairing, trimming.
//
// A pane is an array of partials indexed by slot, made when its first sample comes.
// Dense arrays are right because a scrape touches nearly every slot of a leaf: a map
// per pane would take several times the memory and most of the time.
//
// Before a call that folds: samples of one slot come in time order, each time once,
// later than all that the cell holds. Where the partial does not mind the order
// (Traits.FoldsLate) the last condition falls away. A caller that cannot promise it
// empties the cell first and folds all of its samples.
// Native histograms lie in segments of their own, so panes of a series may be folded from
// both sorts in turn. Samples of each come in time order; how the two lie to each other
// in time does not matter to partials (package native).
// After it: the pane holds the samples, and every sliding window over the panes
// knows which of its slots no longer equal their panes.

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/native"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// panes is the partials of one selection of series: for every pane a dense array,
// indexed by slot. Leaves of a fence group with one ShareKey use the same panes
// (share.go). It is a cache (I7): it can be dropped at any time.
//
//	C1  every pane with an end > from holds exactly the samples up to at; a
//	    pane that is missing holds none
//	C2  it is advanced only by a delta that begins at at
//	C3  len(p) <= number of slots for every pane p; slots beyond are empty
type panes[P any, PP partial.Cell[P]] struct {
	cell    *partial.Kind[P]
	markers bool           // stale markers are folded like samples
	native  *native.Use[P] // of series that may hold native histograms; nil for floats alone
	grid    pane.Grid
	from    int64
	at      sequence.Vector
	byT     map[int64][]P // by the pane's right end
	pool    pool[P]       // arrays of panes that were dropped
	run     run           // scratch of fold

	users   []*user[P, PP]  // who computes windows from it
	slides  []*slide[P, PP] // of the users, each once
	broken  error           // a sample could not be folded: the panes lack it
	changes uint64          // counts what changes panes: what was computed at another count may be wrong

	whole  *panes[P, PP] // of a lane: whose panes it folds into; else nil
	making sync.Mutex    // held while a lane looks for a pane
}

// user is a leaf that uses the panes: which windows it computes from them.
type user[P any, PP partial.Cell[P]] struct {
	slide   *slide[P, PP] // what the panes of the current window merge to
	windows windowing
	needs   int64 // panes with an end up to it are of no use to the leaf
}

// windowing is what leaves must have in common to see the same values: the same
// function of the same samples in the same windows. They use one sliding window,
// however often each computes them.
type windowing struct {
	pane.Windows
	function string
	param    float64
	once     bool // see NewLeaf
}

// before is the windowing of what lies before the ranges, so many ms.
func (w windowing) before(lead int64) windowing {
	w.Offset, w.Range, w.function = w.Offset+w.Range, lead, w.function+" before"
	return w
}

// same reports whether leaves with these see the same values.
func (w windowing) same(o windowing) bool {
	w.once = o.once
	return w == o
}

// fewPanes is up to how many panes a window is merged from them whenever it is computed,
// where that is once: arrays of merged panes would save no work and take as much memory as
// the panes.
const fewPanes = 6

// add is one more user of the panes. It uses the sliding window of another with the
// same windowing, if there is one.
func (s *panes[P, PP]) add(w windowing) *user[P, PP] {
	u := &user[P, PP]{windows: w, needs: s.from}
	if i := slices.IndexFunc(s.users, func(o *user[P, PP]) bool { return o.windows.same(w) }); i >= 0 {
		u.slide = s.users[i].slide
	} else {
		u.slide = newSlide[P, PP](s.cell, s.grid.Width, w.Range, w.Every)
		u.slide.direct = w.Range <= fewPanes*s.grid.Width
	}
	u.slide.direct = u.slide.direct && w.once
	s.usedBy(append(s.users, u))
	return u
}

// usedBy says who uses the panes from now on: what others have merged is not kept up
// to date any more.
func (s *panes[P, PP]) usedBy(users []*user[P, PP]) {
	s.users, s.slides = users, s.slides[:0]
	for _, u := range users {
		if !slices.Contains(s.slides, u.slide) {
			s.slides = append(s.slides, u.slide)
		}
	}
	for _, w := range s.slides {
		w.users = 0
		for _, u := range users {
			if u.slide == w {
				w.users++
			}
		}
	}
}

// sparePanes is how many arrays of dropped panes are kept for new ones: about as many
// are made as are dropped.
const sparePanes = 4

// keep reports whether a sample with the value enters a partial.
func (s *panes[P, PP]) keep(v float64) bool { return s.markers || !segment.IsStale(v) }

// change must be called before samples are added to or taken out of the pane with
// this end. It calls stale for each sliding window that has merged the pane, with the
// set that the slots concerned must be added to.
func (s *panes[P, PP]) change(end int64, stale func(*slotSet)) {
	s.changes++
	for _, w := range s.slides {
		if w.changing(end) {
			stale(&w.stale)
		}
	}
}

// run is some samples of one pane, as parallel arrays: samples 0 to n-1, in the
// order in which they came. n <= runLength.
type run struct {
	n     int
	slots [runLength]int32
	times [runLength]int64
	vals  [runLength]float64
}

// runLength is after how many samples a run is folded: few enough to stay in
// the nearest cache. A power of two.
const runLength = 256

// add adds a sample to a run that is not full.
func (r *run) add(slot int32, t int64, v float64) {
	i := r.n & (runLength - 1)
	r.slots[i], r.times[i], r.vals[i] = slot, t, v
	r.n++
}

// Position is where the state stands, and from where on it has panes.
func (s *panes[P, PP]) Position() (sequence.Vector, int64) { return s.at, s.from }

// Advance moves the state to the position to, after the delta rng was folded.
// A delta that does not begin where the state stands is refused (C2): the
// caller drops the state and builds it again.
func (s *panes[P, PP]) Advance(rng map[sequence.Region]sequence.Range, to sequence.Vector) error {
	if s.broken != nil {
		return s.broken
	}
	for r, x := range rng {
		if x.After != s.at.At(r) {
			return fmt.Errorf("advance pane state of region %d by %s: it stands at %d (%s)",
				r, x, s.at.At(r), progress.ReaderDisagrees)
		}
	}
	s.at = to
	return nil
}

// cells returns the pane with room for slot, making or growing it; slots is how
// many the leaf has now. It looks a map up, so it is called once per run of samples
// and never per sample. The array is valid until the pane is next grown.
func (s *panes[P, PP]) cells(end int64, slot int32, slots int) []P {
	c := s.byT[end]
	if int(slot) < len(c) {
		return c
	}
	if s.whole != nil {
		return s.laneCells(end, slots)
	}
	// Arrays of panes that were dropped are used again.
	n := max(slots, int(slot)+1)
	if c == nil {
		c = s.pool.fresh(n)
	} else {
		c = grow(c, n)
	}
	s.byT[end] = c
	return c
}

// Fold adds the member samples of a hot ordered segment. touched is called for
// samples with t <= closedT, which reach closed windows; those at or before
// from are not kept.
//
// Samples are gathered to runs of one pane and folded by loops of the partial's own
// type: a call per sample through a type parameter costs more than the arithmetic.
func (s *panes[P, PP]) Fold(seg *segment.Segment, m *Members, closedT int64, touched func(t int64, slot int32)) {
	if seg.MaxT <= s.from && seg.MinT > closedT {
		return
	}
	if seg.Histograms != nil {
		s.foldHistograms(seg, m, closedT, touched)
		return
	}
	// Nearly all segments are newer than anything closed and lie in one pane: then no
	// sample's time is looked at.
	if seg.MinT > max(closedT, s.from) {
		if end := s.grid.End(seg.MinT); seg.MaxT <= end {
			s.foldPane(seg, m, end)
			return
		}
	}
	end, width := int64(-1), s.grid.Width
	for i, id := range seg.Series {
		slot := m.Index.Get(id)
		if slot == NoSlot {
			continue
		}
		v := seg.Values[i]
		t := seg.Time(i)
		if t <= closedT {
			touched(t, slot)
		}
		if t <= s.from || !s.keep(v) {
			continue
		}
		// A run is of one pane: it ends where a sample falls into another.
		if t > end || t <= end-width || s.run.n == runLength {
			s.foldRun(end, len(m.GroupOf))
			end = s.grid.End(t)
		}
		s.run.add(slot, t, v)
	}
	s.foldRun(end, len(m.GroupOf))
}

// foldPane is fold for a segment that lies in one pane, the one with this end,
// and reaches no closed window: nearly all do.
func (s *panes[P, PP]) foldPane(seg *segment.Segment, m *Members, end int64) {
	values, offsets := seg.Values[:len(seg.Series)], seg.Offsets[:len(seg.Series)]
	for i, id := range seg.Series {
		slot := m.Index.Get(id)
		if slot == NoSlot || !s.keep(values[i]) {
			continue
		}
		if s.run.n == runLength {
			s.foldRun(end, len(m.GroupOf))
		}
		s.run.add(slot, seg.Base+int64(offsets[i]), values[i])
	}
	s.foldRun(end, len(m.GroupOf))
}

// foldRun adds the run to the pane it is of, and tells the sliding window which slots
// have changed below what it has merged.
func (s *panes[P, PP]) foldRun(end int64, slots int) {
	n := s.run.n
	if n == 0 {
		return
	}
	cells := s.cells(end, int32(slots-1), slots)
	s.cell.Add(cells, s.run.slots[:n], s.run.times[:n], s.run.vals[:n])
	s.change(end, func(stale *slotSet) { stale.addAll(s.run.slots[:n]) })
	s.run.n = 0
}

// FoldSorted adds samples of one of slots slots, in time order, each time once
// per series.
func (s *panes[P, PP]) FoldSorted(slot int32, slots int, ts []int64, vs []float64) {
	var (
		cur  []P
		last = int64(-1)
	)
	for i, t := range ts {
		if t <= s.from || !s.keep(vs[i]) {
			continue
		}
		if t > last || last < 0 {
			last = s.grid.End(t)
			cur = s.cells(last, slot, slots)
			s.change(last, func(stale *slotSet) { stale.add(slot) })
		}
		PP(&cur[slot]).Add(t, vs[i])
	}
}

// foldHistograms is Fold for a segment of histograms. Panes of floats never see one: a
// metric is listed among those with histograms in the commit of the first, and its
// leaves are made anew before that is folded. Should one come all the same, or one that
// does not decode, the panes refuse to advance, and are built again.
func (s *panes[P, PP]) foldHistograms(seg *segment.Segment, m *Members, closedT int64, touched func(t int64, slot int32)) {
	for i, id := range seg.Series {
		slot := m.Index.Get(id)
		if slot == NoSlot {
			continue
		}
		t, sum := seg.Time(i), seg.Values[i]
		if t <= closedT {
			touched(t, slot)
		}
		if t <= s.from || !s.keep(sum) {
			continue
		}
		if s.native == nil {
			s.broken = fmt.Errorf("a native histogram of series %d came to panes of floats", id)
			return
		}
		end := s.grid.End(t)
		cell := &s.cells(end, slot, len(m.GroupOf))[slot]
		s.change(end, func(stale *slotSet) { stale.add(slot) })
		if segment.IsStale(sum) {
			PP(cell).Add(t, sum)
			continue
		}
		h, err := nativehist.Decode(seg.Histograms[i], sum)
		if err != nil {
			s.broken = fmt.Errorf("histogram of series %d at %s: %w", id, sequence.FormatTime(t), err)
			return
		}
		s.native.Add(cell, t, h)
	}
}

// FoldHistograms adds histograms of one of slots slots, in time order, which must not be
// changed afterwards.
func (s *panes[P, PP]) FoldHistograms(slot int32, slots int, points []promql.HPoint) {
	for _, p := range points {
		if p.T <= s.from || !s.keep(p.H.Sum) || s.native == nil {
			continue
		}
		end := s.grid.End(p.T)
		cell := &s.cells(end, slot, slots)[slot]
		s.change(end, func(stale *slotSet) { stale.add(slot) })
		if segment.IsStale(p.H.Sum) {
			PP(cell).Add(p.T, p.H.Sum)
		} else {
			s.native.Add(cell, p.T, p.H)
		}
	}
}

// FoldMixed adds samples of any of slots slots, those of one series in time
// order, each time once per series.
func (s *panes[P, PP]) FoldMixed(slot []int32, slots int, ts []int64, vs []float64) {
	for from := 0; from < len(ts); {
		if !s.keeps(ts[from], vs[from]) {
			from++
			continue
		}
		end := s.grid.End(ts[from])
		begin, to := max(s.from, end-s.grid.Width), from+1
		for to < len(ts) && ts[to] > begin && ts[to] <= end && s.keep(vs[to]) {
			to++
		}
		s.cell.Add(s.cells(end, int32(slots-1), slots), slot[from:to], ts[from:to], vs[from:to])
		s.change(end, func(stale *slotSet) { stale.addAll(slot[from:to]) })
		from = to
	}
}

// keeps reports whether a sample enters a pane.
func (s *panes[P, PP]) keeps(t int64, v float64) bool { return t > s.from && s.keep(v) }

// ClearCells empties cells of a pane, before they are folded again from raw: there is
// no inverse of a fold.
func (s *panes[P, PP]) ClearCells(end int64, slots []int32) {
	c := s.byT[end]
	var zero P
	for _, slot := range slots {
		if int(slot) < len(c) {
			c[slot] = zero
			s.change(end, func(stale *slotSet) { stale.add(slot) })
		}
	}
}

// trim drops panes with an end up to from, ms, a border of panes. The panes then
// begin there, and no window that begins earlier can be computed from them any more
// (C1). An earlier from than theirs is ignored: dropped panes do not return.
func (s *panes[P, PP]) trim(from int64) {
	if from <= s.from {
		return
	}
	for end, c := range s.byT {
		if end <= from {
			delete(s.byT, end)
			s.pool.recycle(c)
		}
	}
	s.from = from
	s.changes++
	for _, w := range s.slides {
		if w.after < from {
			w.reset() // it could not be computed again from panes
		}
	}
}

// Occupied lists the ends of the panes in memory, ascending. A pane is made with its
// first sample, so these are the panes that hold samples; but for one whose cells
// were all emptied since, which costs a window that turns out to have no value.
func (s *panes[P, PP]) Occupied() []int64 { return slices.Sorted(maps.Keys(s.byT)) }

// PaneCount is how many panes are in memory: those that Occupied lists.
func (s *panes[P, PP]) PaneCount() int { return len(s.byT) }

// Beyond reports whether a pane with a later end holds samples.
func (s *panes[P, PP]) Beyond(after int64) bool {
	for end := range s.byT {
		if end > after {
			return true
		}
	}
	return false
}

// Holds reports whether a pane in the span holds samples.
func (s *panes[P, PP]) Holds(span sequence.Span) bool {
	for end := span.After + s.grid.Width; end <= span.UpTo; end += s.grid.Width {
		if s.byT[end] != nil {
			return true
		}
	}
	return false
}

// MergeSimple merges a partial that the database aggregated. Only state of
// simple partials is ever asked.
func (s *panes[P, PP]) MergeSimple(end int64, slot int32, slots int, part partial.Simple) {
	if p, ok := any(&s.cells(end, slot, slots)[slot]).(*partial.Simple); ok {
		s.change(end, func(stale *slotSet) { stale.add(slot) })
		p.Merge(&part)
	}
}

// bytes is about how much memory the panes take: what arrays have room for, not what
// they hold.
func (s *panes[P, PP]) bytes() int64 {
	n := s.pool.bytes()
	for _, c := range s.byT {
		n += s.cell.Bytes(c)
	}
	return n
}

// laneCells is cells of a lane that has not met the pane yet.
func (s *panes[P, PP]) laneCells(end int64, slots int) []P {
	s.whole.making.Lock()
	defer s.whole.making.Unlock()
	s.whole.change(end, func(*slotSet) {})
	c := s.whole.cells(end, int32(slots-1), slots)
	s.byT[end] = c
	return c
}

// Merge joins the panes of other, which is of the same kind and holds other
// samples, in any order of time: for kinds that fold late. Panes are merged one by
// one, so the result does not depend on the order of the map.
func (s *panes[P, PP]) Merge(other State) {
	o, ok := other.Panes().(*panes[P, PP])
	if !ok {
		return
	}
	for end, later := range o.byT {
		into := s.cells(end, int32(len(later)-1), len(later))
		s.cell.Merge(into, later)
		s.change(end, func(stale *slotSet) {
			for slot := range later {
				if !PP(&later[slot]).Empty() {
					stale.add(int32(slot))
				}
			}
		})
	}
}
