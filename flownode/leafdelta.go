package flownode

import (
	"context"
	"maps"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// wouldGrow is about how many bytes of pane state samples from minT to maxT
// add.
func (l *Leaf) wouldGrow(minT, maxT int64) int64 {
	_, from := l.State.Position()
	return (maxT - max(minT, from) + l.Def.Pane) / l.Def.Pane * int64(len(l.Members.GroupOf)) * l.builder.CellBytes
}

// take uses one hot ordered segment of the delta: it is folded into pane state,
// and where it reaches closed windows that is noted.
func (l *Leaf) take(seg *segment.Segment) {
	switch {
	case l.pushed || !l.plan.Ordered:
	case l.State != nil:
		l.State.Fold(seg, l.Members, l.closed, func(t int64, slot int32) {
			l.late.Add(l.TouchEnd(t), l.Members.GroupOf[slot])
		})
	case seg.MinT <= l.closed:
		for i, id := range seg.Series {
			if slot := l.Members.Index.Get(id); slot != NoSlot && seg.Time(i) <= l.closed && l.Pins(seg.Time(i)) {
				l.late.Add(l.TouchEnd(seg.Time(i)), l.Members.GroupOf[slot])
			}
		}
	}
}

// noteLate takes an unordered sample: it may reach closed windows, and the panes
// in memory must have it. Where nothing else is stored at its time, and order
// does not matter to the pane, it is folded as it is; else only raw samples can
// tell the truth now.
func (l *Leaf) noteLate(key lateKey, v float64, isNew bool) {
	slot := l.Members.Index.Get(key.series)
	if slot == NoSlot {
		return
	}
	if key.t <= l.closed && l.Pins(key.t) {
		l.unordered.Add(l.TouchEnd(key.t), l.Members.GroupOf[slot])
	}
	if l.State == nil || key.t <= l.From() {
		return
	}
	if isNew && l.builder.FoldsLate {
		l.State.FoldSorted(slot, len(l.Members.GroupOf), []int64{key.t}, []float64{v})
		return
	}
	l.repair.Add(l.grid.End(key.t), slot)
}

// TouchEnd names the stretch of time that touches are counted by: the pane, or
// the step where a window has too many panes.
func (l *Leaf) TouchEnd(t int64) int64 {
	if l.Def.Batch {
		return l.stepGrid.End(t)
	}
	return l.grid.End(t)
}

// finishDelta brings pane state to the round's vector: pushed-down partials,
// then repairs.
func (l *Leaf) finishDelta(ctx context.Context, r *round, ranges map[sequence.Region]sequence.Range) error {
	if l.pushed {
		if err := l.pushDelta(ctx, r, ranges); err != nil {
			return err
		}
	}
	if l.State == nil {
		return nil
	}
	if !l.repair.Empty() {
		r.node.metrics.refills.WithLabelValues(string(flowplan.Unordered)).Inc()
		if err := l.repairCells(ctx, r); err != nil {
			return err
		}
	}
	if err := l.State.Advance(ranges, r.pos.Vector); err != nil {
		r.node.log.Error("pane state dropped", "leaf", l.Def.Text, "err", err)
		r.node.metrics.refills.WithLabelValues(string(flowplan.ReaderDisagrees)).Inc()
		l.State = nil
	}
	return nil
}

// repairCells folds the touched slots of the touched panes again from raw.
func (l *Leaf) repairCells(ctx context.Context, r *round) error {
	var (
		touched = map[int32]struct{}{}
		spans   []segment.Span
	)
	for _, end := range slices.Sorted(maps.Keys(l.repair.ByPane)) {
		var slots []int32
		EachGroup(l.repair.ByPane[end], func(slot int32) {
			touched[slot] = struct{}{}
			slots = append(slots, slot)
		})
		l.State.ClearCells(end, slots)
		spans = append(spans, spanOf(end-l.Def.Pane, end)...)
	}
	var series []sequence.SeriesID
	for i, id := range l.Members.Series {
		if _, ok := touched[l.Members.Slots[i]]; ok {
			series = append(series, id)
		}
	}
	raw, err := readRaw(ctx, r.snap, l.Members, series, joinSpans(spans), func(slot int32, t int64) bool {
		return l.repair.Has(l.grid.End(t), slot)
	})
	if err != nil {
		return err
	}
	r.readSamples += raw.Samples()
	raw.FoldInto(l.State, len(l.Members.GroupOf))
	return nil
}
