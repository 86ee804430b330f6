package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// cohort is the flows of a round that stand at one vector: they share the
// reading of the delta.
type cohort struct {
	after sequence.Vector
	flows []*flowRun
}

// cohorts sorts the flows by where they stand. Flows whose history changed
// start from nothing: everything stored is their delta.
func (g *group) cohorts(ctx context.Context, r *round) ([]*cohort, error) {
	var out []*cohort
	byVector := map[string]*cohort{}
	for _, f := range g.flows {
		if f.broken {
			continue
		}
		key := f.flow.Vector.String()
		c := byVector[key]
		if c == nil {
			c = &cohort{after: f.flow.Vector}
			err := r.snap.CheckHistory(ctx, f.flow.Vector, f.flow.Flushes)
			if errors.Is(err, sequence.ErrHistoryChanged) {
				g.node.log.Warn("committed sequences have disappeared or changed: computing again from all raw samples",
					"group", g.name, "vector", f.flow.Vector.String(), "reason", string(flowplan.HistoryChanged))
				c.after = sequence.Vector{}
			} else if err != nil {
				return nil, fmt.Errorf("check that %s is still in the history: %w", key, err)
			}
			byVector[key] = c
			out = append(out, c)
		}
		if len(c.after) == 0 && len(f.flow.Vector) > 0 {
			f.forgetHistory()
			g.node.metrics.refills.WithLabelValues(string(flowplan.HistoryChanged)).Inc()
		}
		c.flows = append(c.flows, f)
	}
	return out, nil
}

// forgetHistory drops everything that was derived from commits that may be
// gone: members (series ids may belong to others now) and pane state.
func (f *flowRun) forgetHistory() {
	f.dropState()
	f.membersAt = nil
	for _, l := range f.leaves {
		l.members = newMembers(l.leaf)
	}
}

// readDelta plans every leaf of the cohort and reads the delta once for all of
// them: ordered samples are folded into pane state or noted where they reach
// closed windows, unordered ones are noted for repair.
func (c *cohort) readDelta(ctx context.Context, r *round) error {
	ranges := c.after.Delta(r.pos.Vector)
	byMetric := map[segment.MetricID][]*leafRun{}
	var metrics []segment.MetricID
	for _, f := range c.flows {
		for _, l := range f.leaves {
			l.late.reset()
			l.unordered.reset()
			l.repair.reset()
			for _, m := range l.members.metrics {
				if byMetric[m] == nil {
					metrics = append(metrics, m)
				}
				byMetric[m] = append(byMetric[m], l)
			}
		}
	}
	var infos []segment.Info
	if len(metrics) > 0 && len(ranges) > 0 {
		slices.Sort(metrics)
		var err error
		if infos, err = r.snap.Infos(ctx, metrics, c.after); err != nil {
			return fmt.Errorf("list segments after %s: %w", c.after, err)
		}
	}
	ordered, unordered := c.plan(r, infos)
	if len(ranges) == 0 {
		return nil
	}
	read := func(want map[segment.MetricID]struct{}, pick segment.Pick, use func(*segment.Segment)) error {
		if len(want) == 0 {
			return nil
		}
		ids := make([]segment.MetricID, 0, len(want))
		for m := range want {
			ids = append(ids, m)
		}
		slices.Sort(ids)
		return r.snap.ReadDelta(ctx, ids, ranges, pick, func(seg *segment.Segment) error {
			r.readSamples += int64(seg.Len())
			use(seg)
			return nil
		})
	}
	// Ordered first: a repair afterwards reads raw, which holds both.
	err := read(ordered, segment.PickOrdered, func(seg *segment.Segment) {
		for _, l := range byMetric[seg.Metric] {
			l.take(seg)
		}
	})
	if err != nil {
		return fmt.Errorf("read delta after %s: %w", c.after, err)
	}
	late := newLateSamples(c.after)
	if err := read(unordered, segment.PickUnordered, late.add); err != nil {
		return fmt.Errorf("read unordered delta after %s: %w", c.after, err)
	}
	if err := late.dropRepeats(ctx, r); err != nil {
		return err
	}
	for key := range late.values {
		for _, l := range byMetric[late.metric[key.series]] {
			l.noteLate(key)
		}
	}
	for _, f := range c.flows {
		for _, l := range f.leaves {
			if err := l.finishDelta(ctx, r, ranges); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan asks flowplan about every leaf and says of which metrics ordered and
// unordered segments must be read.
func (c *cohort) plan(r *round, infos []segment.Info) (ordered, unordered map[segment.MetricID]struct{}) {
	ordered, unordered = map[segment.MetricID]struct{}{}, map[segment.MetricID]struct{}{}
	for _, f := range c.flows {
		for _, l := range f.leaves {
			own := infos[:0:0]
			for i := range infos {
				if l.members.selects(infos[i].Metric) {
					own = append(own, infos[i])
				}
			}
			st := flowplan.State{}
			if l.state != nil {
				st.Exists = true
				st.At, st.From = l.state.position()
			}
			l.closed = l.closedT(f.flow.EmittedUntil)
			if f.flow.EmittedUntil == progress.Unset {
				// Where windows begin is found from the first samples.
				l.closed = math.MaxInt64
			}
			l.plan = flowplan.Plan(st, c.after, r.pos.Vector, own, l.closed)
			if l.state != nil && !l.plan.Rebuild && l.plan.Samples > 0 && l.wouldGrow(l.plan.MinT, l.plan.MaxT) > r.node.cfg.MaxStateBytes {
				l.plan.Rebuild, l.plan.Reason = true, flowplan.BeyondHorizon
				l.plan.Ordered = true
			}
			if l.plan.Rebuild {
				if l.state != nil {
					r.node.metrics.refills.WithLabelValues(string(l.plan.Reason)).Inc()
				}
				l.state = nil
			}
			l.pushed = l.pushable(r) && l.plan.Ordered
			for i := range own {
				if own[i].Sealed {
					continue
				}
				if own[i].Ordered && l.plan.Ordered && !l.pushed {
					ordered[own[i].Metric] = struct{}{}
				}
				if !own[i].Ordered && l.plan.Unordered {
					unordered[own[i].Metric] = struct{}{}
				}
			}
		}
	}
	return ordered, unordered
}

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

// pushable reports whether the leaf's partials may be aggregated in the
// database.
func (l *leafRun) pushable(r *round) bool {
	return r.node.cfg.Executor == ExecutorPushdown && l.leaf.State == flowdef.StateSimple && !l.leaf.Batch
}

// simpleQuery asks for the leaf's partials of samples after from.
func (l *leafRun) simpleQuery(after int64) SimpleQuery {
	return SimpleQuery{Metrics: l.members.metrics, Series: l.members.series, Slots: l.members.slots, Pane: l.leaf.Pane, After: after}
}

// pushDelta folds the ordered delta by the database. When the database cannot
// (a sum that overflows is an error in SQL), the state is built again from raw.
func (l *leafRun) pushDelta(ctx context.Context, r *round, ranges map[sequence.Region]sequence.Range) error {
	after, from := int64(-1), int64(math.MaxInt64)
	if l.state != nil {
		_, from = l.state.position()
	}
	err := r.snap.AggregateDelta(ctx, l.simpleQuery(after), ranges, func(end int64, slot int32, part partial.Simple) error {
		if end <= l.closed {
			l.late.add(end, l.members.groupOf[slot])
		}
		if end > from {
			l.state.mergeSimple(end, slot, len(l.members.groupOf), part)
		}
		return nil
	})
	if errors.Is(err, progress.ErrNeedsColumnar) {
		r.node.log.Warn("the database cannot aggregate this delta; reading raw samples instead", "leaf", l.leaf.Text, "err", err)
		l.pushed, l.state = false, nil
		return r.snap.ReadDelta(ctx, l.members.metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
			l.take(seg)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("aggregate delta of %s: %w", l.leaf.Text, err)
	}
	return nil
}
