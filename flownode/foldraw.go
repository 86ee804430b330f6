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
	raw := newRawSamples(l.members, series)
	defer raw.release()
	slots := len(l.members.groupOf)
	limit := r.node.rawAtOnce
	if upTo-after <= l.leaf.Pane {
		limit = math.MaxInt
	}
	var folded bool
	spoilt := map[int32]struct{}{} // slots that hold samples in the wrong order
	fold := func() {
		if folded {
			for c := range raw.odd {
				spoilt[raw.slot[c]] = struct{}{}
			}
		}
		raw.foldInto(into, slots)
		raw.clear()
		clear(raw.odd)
		folded = true
	}
	err := raw.read(ctx, r.snap, after, upTo, limit, fold)
	r.readSamples += raw.count
	if err != nil {
		return err
	}
	if fold(); len(spoilt) == 0 {
		return nil
	}
	again := slices.DeleteFunc(slices.Clone(series), func(id segment.SeriesID) bool {
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
