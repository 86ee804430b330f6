package flownode

import (
	"context"
	"maps"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// rawFold is raw samples on their way into a leaf's cells, in lanes: each takes
// what one goroutine reads, which is regions of its own, so that a series comes
// to one lane only. Where slots are series the lanes fold into the same panes, of
// which each has cells of its own; where they are groups each lane but the first
// folds into panes of its own, which are merged in the order of the lanes.
//
// So what comes out depends on how many lanes there are, and that only in the
// last bits of sums, but never on which is faster.
type rawFold struct {
	l     *Leaf
	into  State
	lanes []*foldLane
}

// foldLane is what one goroutine takes. It is for one at a time.
type foldLane struct {
	raw    *rawSamples
	into   State
	slots  int                // of into
	limit  int                // samples held at a time
	folded bool               // some are in cells
	spoilt map[int32]struct{} // slots whose cells hold samples in the wrong order
}

// maxFoldLanes is into how many lanes samples are folded at most: each is read in
// a session of its own.
const maxFoldLanes = 4

// foldLanes is into how many lanes raw samples are folded.
func (r *round) foldLanes() int { return max(1, min(r.node.foldLanes, len(r.pos.Vector))) }

// newRawFold takes raw, which is empty, over. About limit samples are held at a
// time. Into holds nothing in the panes that are folded. Give it back with
// release.
func newRawFold(l *Leaf, r *round, into State, raw *rawSamples, limit int) *rawFold {
	x, n := &rawFold{l: l, into: into}, r.foldLanes()
	for i := range n {
		lane := &foldLane{raw: raw, into: into, slots: len(l.Members.GroupOf), limit: max(1, limit/n), spoilt: map[int32]struct{}{}}
		if i > 0 {
			lane.raw = raw.beside()
		}
		switch {
		case n == 1:
		case !l.Members.ByGroup:
			lane.into = into.Lane()
		case i > 0:
			at, from := into.Position()
			lane.into = l.builder.panes(from, at)
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

// takers is what the samples in the spans are to be given to, by lane.
func (x *rawFold) takers(spans []segment.Span) []func(*segment.Segment) error {
	out := make([]func(*segment.Segment) error, len(x.lanes))
	for i, lane := range x.lanes {
		out[i] = func(seg *segment.Segment) error {
			lane.take(seg, spans)
			return nil
		}
	}
	return out
}

// atOnceAfter is how many samples a lane holds once some are in cells. Then those
// that come in the wrong order must be folded again in any case, and so few stay
// in a near cache.
const atOnceAfter = 4 << 10

// take takes the samples of a segment that lie in a span, and folds what is held
// when that is much.
func (x *foldLane) take(seg *segment.Segment, spans []segment.Span) {
	if x.raw.take(seg, spans); len(x.raw.ts) >= x.limit {
		x.fold()
		x.limit = min(x.limit, atOnceAfter)
	}
}

// fold moves the samples that are held into cells.
func (x *foldLane) fold() {
	if x.folded {
		for c := range x.raw.odd {
			x.spoilt[x.raw.slot[c]] = struct{}{}
		}
	}
	x.raw.foldInto(x.into, x.slots)
	x.raw.clear()
	clear(x.raw.odd)
	x.folded = true
}

// finish folds what is still held, and again what was not in time order.
func (x *rawFold) finish(ctx context.Context, r *round, spans []segment.Span) error {
	spoilt := map[int32]struct{}{}
	for _, lane := range x.lanes {
		if lane.fold(); lane.raw.hold != nil {
			lane.raw.unhold()
			lane.raw.foldInto(lane.into, lane.slots)
		}
		maps.Copy(spoilt, lane.spoilt)
	}
	if x.l.Members.ByGroup {
		for _, lane := range x.lanes[1:] {
			x.into.Merge(lane.into)
		}
	}
	if len(spoilt) == 0 {
		return nil
	}
	l, raw := x.l, x.lanes[0].raw
	again := slices.DeleteFunc(slices.Clone(raw.series), func(id sequence.SeriesID) bool {
		_, ok := spoilt[l.Members.Index.Get(id)]
		return !ok
	})
	cleared := slices.Collect(maps.Keys(spoilt))
	for _, end := range x.into.Occupied() {
		if inSpans(spans, end) {
			x.into.ClearCells(end, cleared)
		}
	}
	for _, half := range l.halves(spans, r.pos.Now+aheadOfClock) {
		if err := l.foldRaw(ctx, r, x.into, again, half, raw.only); err != nil {
			return err
		}
	}
	return nil
}
