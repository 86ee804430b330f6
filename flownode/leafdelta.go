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
func (l *leafRun) wouldGrow(minT, maxT int64) int64 {
	_, from := l.state.position()
	return (maxT - max(minT, from) + l.leaf.Pane) / l.leaf.Pane * int64(len(l.members.groupOf)) * l.builder.cellBytes
}

// take uses one hot ordered segment of the delta: it is folded into pane state,
// and where it reaches closed windows that is noted.
func (l *leafRun) take(seg *segment.Segment) {
	switch {
	case l.pushed || !l.plan.Ordered:
	case l.state != nil:
		l.state.fold(seg, l.members, l.closed, func(t int64, slot int32) {
			l.late.add(l.touchEnd(t), l.members.groupOf[slot])
		})
	case seg.MinT <= l.closed:
		for i, id := range seg.Series {
			if slot := l.members.index.get(id); slot != noSlot && seg.Time(i) <= l.closed && l.pins(seg.Time(i)) {
				l.late.add(l.touchEnd(seg.Time(i)), l.members.groupOf[slot])
			}
		}
	}
}

// noteLate takes an unordered sample: it may reach closed windows, and the panes
// in memory must have it. Where nothing else is stored at its time, and order
// does not matter to the pane, it is folded as it is; else only raw samples can
// tell the truth now.
func (l *leafRun) noteLate(key lateKey, v float64, isNew bool) {
	slot := l.members.index.get(key.series)
	if slot == noSlot {
		return
	}
	if key.t <= l.closed && l.pins(key.t) {
		l.unordered.add(l.touchEnd(key.t), l.members.groupOf[slot])
	}
	if l.state == nil || key.t <= l.from() {
		return
	}
	if isNew && l.builder.commutes {
		l.state.foldSorted(slot, len(l.members.groupOf), []int64{key.t}, []float64{v})
		return
	}
	l.repair.add(l.grid.End(key.t), slot)
}

// touchEnd names the stretch of time that touches are counted by: the pane, or
// the step where a window has too many panes.
func (l *leafRun) touchEnd(t int64) int64 {
	if l.leaf.Batch {
		return l.stepGrid.End(t)
	}
	return l.grid.End(t)
}

// finishDelta brings pane state to the round's vector: pushed-down partials,
// then repairs.
func (l *leafRun) finishDelta(ctx context.Context, r *round, ranges map[sequence.Region]sequence.Range) error {
	if l.pushed {
		if err := l.pushDelta(ctx, r, ranges); err != nil {
			return err
		}
	}
	if l.state == nil {
		return nil
	}
	if !l.repair.empty() {
		r.node.metrics.refills.WithLabelValues(string(flowplan.Unordered)).Inc()
		if err := l.repairCells(ctx, r); err != nil {
			return err
		}
	}
	if err := l.state.advance(ranges, r.pos.Vector); err != nil {
		r.node.log.Error("pane state dropped", "leaf", l.leaf.Text, "err", err)
		r.node.metrics.refills.WithLabelValues(string(flowplan.ReaderDisagrees)).Inc()
		l.state = nil
	}
	return nil
}

// repairCells folds the touched slots of the touched panes again from raw.
func (l *leafRun) repairCells(ctx context.Context, r *round) error {
	var (
		touched = map[int32]struct{}{}
		spans   []segment.Span
	)
	for _, end := range slices.Sorted(maps.Keys(l.repair.byPane)) {
		var slots []int32
		groups(l.repair.byPane[end], func(slot int32) {
			touched[slot] = struct{}{}
			slots = append(slots, slot)
		})
		l.state.clearCells(end, slots)
		spans = append(spans, spanOf(end-l.leaf.Pane, end)...)
	}
	var series []segment.SeriesID
	for i, id := range l.members.series {
		if _, ok := touched[l.members.slots[i]]; ok {
			series = append(series, id)
		}
	}
	raw, err := readRaw(ctx, r.snap, l.members, series, joinSpans(spans), func(slot int32, t int64) bool {
		return l.repair.has(l.grid.End(t), slot)
	})
	if err != nil {
		return err
	}
	r.readSamples += raw.samples()
	raw.foldInto(l.state, len(l.members.groupOf))
	return nil
}
