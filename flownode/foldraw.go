package flownode

import (
	"context"
	"math"
	"slices"

	"laminar/sequence/segment"
)

// foldRaw folds the raw samples of the series with after < t <= upTo, both on
// borders of panes, into cells of into that are empty, while they are read: at
// most rawAtOnce samples are held at a time, however many there are.
//
// When that is known only later of a series that its samples do not come in time
// order, its cells are emptied and folded again, from half of the time at a time.
func (l *leafRun) foldRaw(ctx context.Context, r *round, into store, series []segment.SeriesID, after, upTo int64) error {
	x := newRawFold(l, r, into, series)
	defer x.raw.release()
	if upTo-after <= l.leaf.Pane {
		x.limit = math.MaxInt
	}
	err := x.raw.read(ctx, r.snap, after, upTo, x.limit, x.fold)
	r.readSamples += x.raw.count
	if err != nil {
		return err
	}
	return x.finish(ctx, r, after, upTo)
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
func (x *rawFold) finish(ctx context.Context, r *round, after, upTo int64) error {
	l, into, spoilt := x.l, x.into, x.spoilt
	if x.fold(); len(spoilt) == 0 {
		return nil
	}
	again := slices.DeleteFunc(slices.Clone(x.raw.series), func(id segment.SeriesID) bool {
		_, ok := spoilt[l.members.index.get(id)]
		return !ok
	})
	upTo = min(upTo, l.grid.End(r.pos.Now+aheadOfClock))
	for _, end := range into.occupied() {
		if end > after && end <= upTo {
			for slot := range spoilt {
				into.clearCells(end, []int32{slot})
			}
		}
	}
	middle := after + max(1, (upTo-after)/l.leaf.Pane/2)*l.leaf.Pane
	if err := l.foldRaw(ctx, r, into, again, after, min(middle, upTo)); err != nil {
		return err
	}
	return l.foldRaw(ctx, r, into, again, min(middle, upTo), upTo)
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
