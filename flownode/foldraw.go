package flownode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// foldRaw folds the raw samples of the series in the spans, whose borders are
// those of panes, into cells of into that are empty, while they are read: about
// rawAtOnce samples are held at a time, however many there are.
//
// Only, if not nil, says which samples are wanted, all of a cell or none.
//
// When that is known only later of a series that its samples do not come in time
// order, its cells are emptied and folded again, from half of the time at a time.
func (l *leafRun) foldRaw(ctx context.Context, r *round, into store, series []segment.SeriesID, spans []segment.Span, only func(slot int32, t int64) bool) error {
	x := newRawFold(l, r, into, series)
	defer x.raw.release()
	x.raw.only = only
	if len(spans) == 1 && spans[0].MaxT-spans[0].MinT < l.leaf.Pane {
		x.limit = math.MaxInt
	} else if l.likely(r, len(series), spans) > int64(x.limit) {
		if err := l.holdLate(ctx, r, x.raw, spans); err != nil {
			return err
		}
	}
	err := x.raw.read(ctx, r.snap, spans, x.limit, x.fold)
	r.readSamples += x.raw.count
	if err != nil {
		return err
	}
	return x.finish(ctx, r, spans)
}

// rawFold is raw samples on their way into a leaf's cells.
type rawFold struct {
	l      *leafRun
	raw    *rawSamples
	into   store
	limit  int                // samples held at a time
	folded bool               // some are in cells
	spoilt map[int32]struct{} // slots whose cells hold samples in the wrong order
}

func newRawFold(l *leafRun, r *round, into store, series []segment.SeriesID) *rawFold {
	return &rawFold{l: l, raw: newRawSamples(l.members, series), into: into, limit: r.node.rawAtOnce, spoilt: map[int32]struct{}{}}
}

// fold moves the samples that are held into cells.
func (x *rawFold) fold() {
	if x.folded {
		for c := range x.raw.odd {
			x.spoilt[x.raw.slot[c]] = struct{}{}
		}
	}
	x.raw.foldInto(x.into, len(x.l.members.groupOf))
	x.raw.clear()
	clear(x.raw.odd)
	x.folded = true
}

// finish folds what is still held, and again what was not in time order.
func (x *rawFold) finish(ctx context.Context, r *round, spans []segment.Span) error {
	l := x.l
	if x.fold(); x.raw.hold != nil {
		x.raw.unhold()
		x.raw.foldInto(x.into, len(l.members.groupOf))
	}
	if len(x.spoilt) == 0 {
		return nil
	}
	again := slices.DeleteFunc(slices.Clone(x.raw.series), func(id segment.SeriesID) bool {
		_, ok := x.spoilt[l.members.index.get(id)]
		return !ok
	})
	cleared := slices.Collect(maps.Keys(x.spoilt))
	for _, end := range x.into.occupied() {
		if inSpans(spans, end) {
			x.into.clearCells(end, cleared)
		}
	}
	for _, half := range l.halves(spans, r.pos.Now+aheadOfClock) {
		if err := l.foldRaw(ctx, r, x.into, again, half, x.raw.only); err != nil {
			return err
		}
	}
	return nil
}

// likely is about how many samples of so many series lie in the spans: as if
// each pane had one.
func (l *leafRun) likely(r *round, series int, spans []segment.Span) int64 {
	panes := int64(0)
	for _, s := range spans {
		panes += (min(s.MaxT, max(s.MinT, r.pos.Now)) - s.MinT) / l.leaf.Pane
	}
	return panes * int64(series)
}

// errManyLate ends the reading of late samples.
var errManyLate = errors.New("too many late samples")

// holdLate finds the series of which hot unordered samples lie in the spans and
// lets them be held until all is read: they come last, whatever their time. Of
// too many nothing is said: they are folded again where that turns out to be
// necessary.
func (l *leafRun) holdLate(ctx context.Context, r *round, raw *rawSamples, spans []segment.Span) error {
	hold, n := make([]bool, len(raw.series)), 0
	err := r.snap.ReadDelta(ctx, l.members.metrics, sequence.Vector{}.Delta(r.pos.Vector), segment.PickUnordered, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := raw.index.get(id)
			if c == noSlot || hold[c] || !inSpans(spans, seg.Time(i)) {
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
		return fmt.Errorf("look for late samples of %s: %w", l.leaf.Text, err)
	case n > 0:
		raw.hold = hold
	}
	return nil
}

// inSpans reports whether a time lies in one of the spans.
func inSpans(spans []segment.Span, t int64) bool {
	n, _ := slices.BinarySearchFunc(spans, t, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) })
	return n < len(spans) && t >= spans[n].MinT
}

// halves splits spans on borders of panes; nothing is stored beyond horizon.
func (l *leafRun) halves(spans []segment.Span, horizon int64) [][]segment.Span {
	if n := len(spans); n > 1 {
		return [][]segment.Span{spans[:n/2], spans[n/2:]}
	}
	after, upTo := spans[0].MinT-1, spans[0].MaxT
	panes := (min(upTo, max(horizon, spans[0].MinT)) - after + l.leaf.Pane - 1) / l.leaf.Pane
	middle := after + max(1, panes/2)*l.leaf.Pane
	return [][]segment.Span{spanOf(after, min(middle, upTo)), spanOf(min(middle, upTo), upTo)}
}

// foldMixed adds samples of any of slots slots, those of one series in time
// order, each time once per series.
func (s *panes[P, PP]) foldMixed(slot []int32, slots int, ts []int64, vs []float64) {
	var (
		end   = int64(-1)
		width = s.grid.Width
	)
	for i, t := range ts {
		v := vs[i]
		if t <= s.from || !s.markers && segment.IsStale(v) {
			continue
		}
		if t > end || t <= end-width || len(s.run.slots) == runLength {
			s.foldRun(end, slots)
			end = s.grid.End(t)
		}
		s.run.slots = append(s.run.slots, slot[i])
		s.run.times = append(s.run.times, t)
		s.run.vals = append(s.run.vals, v)
	}
	s.foldRun(end, slots)
}
