package read

// Raw samples on their way into pane state.
// Before: the cells that are folded into are empty.
// After: they hold every wanted sample that the snapshot has in the spans, once.
//
// The difficulty is order. A partial such as a counter needs each series' samples
// in time order, but a large reading cannot be held and sorted. So samples are
// folded in batches, and a series is handled by the first of these that applies:
//
//	all its samples come in order     folded as they come
//	out of order within one batch     the batch is sorted by series and time
//	known beforehand to be late       held back whole, folded last (holdLate)
//	out of order across batches       its cells are emptied and folded again, from
//	                                  half of the time: there a batch holds more of
//	                                  it; one pane is held whole, so this ends

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// rawFold is raw samples on their way into a leaf's cells, in lanes. Each lane
// takes the segments that one goroutine reads. These are of regions of its own, so
// a series comes to one lane only. Where slots are series, the lanes fold into the
// same panes, each into cells of its own. Where slots are groups, each lane but the
// first folds into panes of its own, which are merged in the order of the lanes.
//
// Together the lanes hold about limit samples, the samples of late series apart.
type rawFold struct {
	l     *keep.Leaf
	into  keep.State
	lanes []*foldLane
}

// foldLane is what one goroutine takes. It is for one at a time.
type foldLane struct {
	raw        *rawSamples
	into       keep.State
	slots      int                // of into
	limit      int                // samples held at a time
	folded     bool               // some are in cells
	misordered map[int32]struct{} // slots whose cells hold samples in the wrong order
}

// newRawFold takes over raw, which is empty. About limit samples are held at a
// time, by all lanes together. into holds nothing in the cells that are folded. The
// caller must release it.
func newRawFold(l *keep.Leaf, r *Reader, into keep.State, raw *rawSamples, limit int) *rawFold {
	x, n := &rawFold{l: l, into: into}, r.lanesOf(len(r.Pos.Vector))
	for i := range n {
		lane := &foldLane{raw: raw, into: into, slots: len(l.Members.GroupOf), limit: max(1, limit/n), misordered: map[int32]struct{}{}}
		if i > 0 {
			lane.raw = raw.sibling()
		}
		switch {
		case n == 1:
		case !l.Members.ByGroup:
			lane.into = into.Lane()
		case i > 0:
			at, from := into.Position()
			lane.into = l.NewState(from, at)
		}
		x.lanes = append(x.lanes, lane)
	}
	return x
}

// release gives the lanes' buffers back.
func (x *rawFold) release() {
	for _, lane := range x.lanes {
		lane.raw.release()
	}
}

// count is how many samples were taken.
func (x *rawFold) count() int64 {
	n := int64(0)
	for _, lane := range x.lanes {
		n += lane.raw.count
	}
	return n
}

// takers returns one function for each lane, to be given the segments that hold
// samples in the spans. Functions of different lanes may be called at the same time
// (Segments.ReadRaw); one function may not.
func (x *rawFold) takers(spans sequence.Spans) []func(*segment.Segment) error {
	out := make([]func(*segment.Segment) error, len(x.lanes))
	for i, lane := range x.lanes {
		out[i] = func(seg *segment.Segment) error {
			lane.take(seg, spans)
			return nil
		}
	}
	return out
}

// atOnceAfter is how many samples a lane holds once some are in cells. Before that,
// a large batch is of use, because samples in the wrong order can be sorted within
// it. Afterwards such samples must be folded again in any case, and a small batch
// stays in a near cache.
const atOnceAfter = 4 << 10

// take takes the samples of a segment that lie in a span, and folds all that are
// held when these are as many as the limit.
func (x *foldLane) take(seg *segment.Segment, spans sequence.Spans) {
	if x.raw.take(seg, spans); len(x.raw.ts) >= x.limit {
		x.fold()
		x.limit = min(x.limit, atOnceAfter)
	}
}

// fold moves the samples that are held into cells. Unordered samples among them are
// sorted on the way. Only samples that come after later ones of their series were
// folded leave their cells in the wrong order; those slots are noted.
func (x *foldLane) fold() {
	if x.folded {
		for c := range x.raw.unsorted {
			x.misordered[x.raw.slot[c]] = struct{}{}
		}
	}
	x.raw.foldInto(x.into, x.slots)
	x.raw.clear()
	clear(x.raw.unsorted)
	x.folded = true
}

// finish folds the samples that are still held, and folds again the cells whose
// samples came out of order: first all lanes, then the merge of their panes, then
// the cells to be folded again. A slot that is a group has samples in several
// lanes, so its cells can be emptied only after the merge.
func (x *rawFold) finish(ctx context.Context, r *Reader, spans sequence.Spans) error {
	misordered := map[int32]struct{}{}
	for _, lane := range x.lanes {
		if lane.fold(); lane.raw.hold != nil {
			lane.raw.takeHeld()
			lane.raw.foldInto(lane.into, lane.slots)
		}
		maps.Copy(misordered, lane.misordered)
	}
	if x.l.Members.ByGroup {
		for _, lane := range x.lanes[1:] {
			x.into.Merge(lane.into)
		}
	}
	if len(misordered) == 0 {
		return nil
	}
	l, raw := x.l, x.lanes[0].raw
	again := slices.DeleteFunc(slices.Clone(raw.series), func(id sequence.SeriesID) bool {
		_, ok := misordered[l.Members.Index.Get(id)]
		return !ok
	})
	// A slot that is a group holds samples of other series too: all of them are folded
	// again, which is why again is chosen by slot.
	cleared := slices.Collect(maps.Keys(misordered))
	for _, end := range x.into.Occupied() {
		if spans.Hold(end) {
			x.into.ClearCells(end, cleared)
		}
	}
	for _, half := range halves(l, spans, r.Pos.Now+AheadOfClock) {
		if err := r.Fold(ctx, l, x.into, again, half, raw.only); err != nil {
			return err
		}
	}
	return nil
}

// halves splits spans in two, on a border of the leaf's panes. Nothing is stored
// beyond horizon, ms, so an open end is cut there. Half of the time holds about
// half of the samples. So the halving ends: at a stretch whose samples come in
// order within the limit, or at a single pane, which Fold holds whole.
func halves(l *keep.Leaf, spans sequence.Spans, horizon sequence.Time) []sequence.Spans {
	if n := len(spans); n > 1 {
		return []sequence.Spans{spans[:n/2], spans[n/2:]}
	}
	one := spans[0]
	panes := (min(one.UpTo, max(horizon, one.After+1)) - one.After + l.Def.Pane - 1) / l.Def.Pane
	middle := min(one.After+max(1, panes/2)*l.Def.Pane, one.UpTo)
	return []sequence.Spans{
		sequence.Union(sequence.Span{After: one.After, UpTo: middle}),
		sequence.Union(sequence.Span{After: middle, UpTo: one.UpTo}),
	}
}

// Fold folds the raw samples of the series in the spans, whose borders are those
// of panes, into cells of into that are empty, while they are read: about
// Settings.AtOnce samples are held at a time, however many there are.
//
// Only, if not nil, says which samples are wanted, all of a cell or none. It may
// be called by several goroutines.
//
// Where it turns out late that a series' samples do not come in time order, its
// cells are emptied and folded again, from half of the time at a time.
func (r *Reader) Fold(ctx context.Context, l *keep.Leaf, into keep.State, series []sequence.SeriesID, spans sequence.Spans, only func(slot int32, t int64) bool) error {
	if len(series) == 0 || len(spans) == 0 {
		return nil
	}
	if r.Mixes(l) {
		return r.foldNative(ctx, l, into, series, spans, only)
	}
	raw := newRawSamples(l.Members, series)
	raw.only = only
	limit := r.AtOnce
	// One pane is held whole, so its samples can be sorted: there the halving of what
	// came in the wrong order ends.
	if len(spans) == 1 && spans[0].UpTo-spans[0].After <= l.Def.Pane {
		limit = math.MaxInt
	} else if likely(l, r.Pos.Now, len(series), spans) > int64(limit) {
		if err := r.holdLate(ctx, l, raw, spans); err != nil {
			raw.release()
			return err
		}
	}
	x := newRawFold(l, r, into, raw, limit)
	defer x.release()
	err := r.readRaw(ctx, raw.selection(spans), x.takers(spans)...)
	r.Samples += x.count()
	if err != nil {
		return raw.readError(spans, err)
	}
	return x.finish(ctx, r, spans)
}

// likely estimates how many samples of so many series lie in the spans: one for
// each series and pane. It only decides whether looking for late samples is worth a
// query, so a wrong estimate costs time and no result.
func likely(l *keep.Leaf, now sequence.Time, series int, spans sequence.Spans) int64 {
	panes := int64(0)
	for _, s := range spans {
		panes += max(0, min(s.UpTo, now)-s.After) / l.Def.Pane
	}
	return panes * int64(series)
}

// errManyLate ends the reading of late samples.
var errManyLate = errors.New("too many late samples")

// holdLate finds the series that have hot unordered samples in the spans, and has
// all samples of these series held until everything is read: unordered samples come
// last, whatever their time. If more than an eighth of the series are late, none is
// held, because holding them would need the memory that batches save; those that
// come in the wrong order are folded again.
func (r *Reader) holdLate(ctx context.Context, l *keep.Leaf, raw *rawSamples, spans sequence.Spans) error {
	hold, n := make([]bool, len(raw.series)), 0
	err := r.ReadDelta(ctx, l.Members.Metrics, sequence.Vector{}.Delta(r.Pos.Vector), segment.PickUnordered, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := raw.index.Get(id)
			if c == keep.NoSlot || hold[c] || !spans.Hold(seg.Time(i)) {
				continue
			}
			hold[c] = true
			if n++; n > max(2, len(raw.series)/8) {
				return errManyLate
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errManyLate):
		return nil
	case err != nil:
		return fmt.Errorf("look for late samples of %s: %w", l.Def.Text, err)
	case n > 0:
		raw.hold = hold
	}
	return nil
}
