package flownode

import (
	"context"
	"math"

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
			if slot := l.members.index.get(id); slot != noSlot && seg.Time(i) <= l.closed {
				l.late.add(l.touchEnd(seg.Time(i)), l.members.groupOf[slot])
			}
		}
	}
}

// noteLate records which pane and group an unordered sample falls in: it may
// reach closed windows, and of panes in memory only raw samples can tell the
// truth now.
func (l *leafRun) noteLate(key lateKey) {
	slot := l.members.index.get(key.series)
	if slot == noSlot {
		return
	}
	if key.t <= l.closed {
		l.unordered.add(l.touchEnd(key.t), l.members.groupOf[slot])
	}
	if l.state != nil && key.t > l.from() {
		l.repair.add(l.grid.End(key.t), l.members.groupOf[slot])
	}
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

// repairCells folds the touched panes of the touched groups again from raw.
// All touched groups are repaired in all touched panes: more than needed, and
// one read.
func (l *leafRun) repairCells(ctx context.Context, r *round) error {
	want := groupSet{set: map[int32]struct{}{}}
	first, last := int64(math.MaxInt64), int64(0)
	for end, bits := range l.repair.byPane {
		first, last = min(first, end), max(last, end)
		groups(bits, func(g int32) { want.set[g] = struct{}{} })
	}
	raw, err := readRaw(ctx, r.snap, l.members, want, first-l.leaf.Pane, last)
	if err != nil {
		return err
	}
	r.readSamples += raw.samples()
	var slots []int32
	for g := range want.set {
		slots = append(slots, l.members.groups[g].slots...)
	}
	for end := range l.repair.byPane {
		l.state.clearCells(end, slots)
	}
	for c, slot := range raw.slot {
		ts, vs := raw.ts[c], raw.vs[c]
		for i := 0; i < len(ts); {
			end := l.grid.End(ts[i])
			j := i + 1
			for j < len(ts) && ts[j] <= end {
				j++
			}
			if l.repair.byPane[end] != nil {
				l.state.foldSorted(slot, len(l.members.groupOf), ts[i:j], vs[i:j])
			}
			i = j
		}
	}
	return nil
}
