package advance

// The samples of a round's delta, on their way into pane state.
// Before: members are complete at the round's vector, pane state stands where
// its flow does.
// After: pane state that exists stands at the round's vector, and each leaf
// knows which closed windows the delta reaches.
//
// A sample of the delta enters a pane in memory exactly once (I3), by one way:
//
//	hot, ordered, columnar   folded as it is read            (Leaf.take)
//	hot, ordered, pushdown   merged, as the database's part  (pushDelta)
//	hot, unordered, new      folded, where order is no matter (takeUnordered)
//	hot, unordered, other    with all of its cell, from raw  (repairCells)
//	sealed                   never: the state is dropped and built again, because
//	                         it is unknown which samples belong to the delta
//
// A pane that does not exist takes nothing here. Its windows read raw samples,
// which hold the delta.

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Delta is the delta that leaves which stand at one vector are advanced over:
// (After, Pos.Vector], region by region.
type Delta struct {
	*read.Reader
	After         sequence.Vector
	MaxStateBytes int64                   // pane state of one leaf at most
	Refills       map[progress.Reason]int // counts pieces of state that are to be computed again
	Log           *slog.Logger
}

// Read plans every leaf and reads the delta once for all of them:
// ordered samples are folded into pane state or noted where they reach closed
// windows, unordered ones are noted for repair.
//
// Each metric's segments are read once and given to every leaf that selects it. So
// what a round reads follows what has landed, not how many flows there are.
func (d *Delta) Read(ctx context.Context, leaves []*Leaf) error {
	ranges := d.After.Delta(d.Pos.Vector)
	byMetric := map[sequence.MetricID][]*Leaf{}
	for _, l := range leaves {
		for _, m := range l.Members.Metrics {
			byMetric[m] = append(byMetric[m], l)
		}
	}
	var infos []segment.Info
	if len(byMetric) > 0 && len(ranges) > 0 {
		var err error
		if infos, err = d.Infos(ctx, slices.Sorted(maps.Keys(byMetric)), d.After); err != nil {
			return err
		}
	}
	ordered, unordered := d.plan(leaves, infos, byMetric)
	if len(ranges) == 0 {
		return nil // the snapshot is where the flows are: time alone brings work
	}
	// Ordered first: a repair afterwards reads raw, which holds both.
	err := d.segments(ctx, ranges, ordered, segment.PickOrdered, func(seg *segment.Segment) {
		for _, l := range byMetric[seg.Metric] {
			l.take(seg)
		}
	})
	if err != nil {
		return fmt.Errorf("read delta after %s: %w", d.After, err)
	}
	// A repeat that changes nothing must not make windows dirty, and only a sample
	// that is new at its time may be folded as it is: both need what was stored.
	late := read.NewUnordered(d.After)
	if err := d.segments(ctx, ranges, unordered, segment.PickUnordered, late.Add); err != nil {
		return fmt.Errorf("read unordered delta after %s: %w", d.After, err)
	}
	if err := late.Compare(ctx, d.Reader); err != nil {
		return err
	}
	late.Each(func(x read.UnorderedSample) {
		for _, l := range byMetric[x.Metric] {
			l.takeUnordered(x)
		}
	})
	for _, l := range leaves {
		if err := d.finish(ctx, l, ranges); err != nil {
			return err
		}
	}
	return nil
}

// segments reads the hot segments of some metrics in the ranges, of the picked
// kind. Metrics that no leaf wants of that kind are not read at all. A segment is
// valid only during the call of use; what is to stay must be copied.
func (d *Delta) segments(ctx context.Context, ranges map[sequence.Region]sequence.Range, metrics map[sequence.MetricID]struct{}, pick segment.Pick, use func(*segment.Segment)) error {
	if len(metrics) == 0 {
		return nil
	}
	return d.ReadDelta(ctx, slices.Sorted(maps.Keys(metrics)), ranges, pick, func(seg *segment.Segment) error {
		d.Samples += int64(seg.Len())
		use(seg)
		return nil
	})
}

// plan asks flowplan about every leaf, and returns the metrics of which ordered
// and unordered segments must be read here. The executors of all leaves are chosen
// together: a leaf that reads columns in any case makes them cheaper for the
// others.
//
// Both sets are by metric and not by leaf, because a segment holds one metric and
// is fetched once. A leaf may therefore be given segments that its own plan does
// not need; Leaf.take leaves them out.
func (d *Delta) plan(leaves []*Leaf, infos []segment.Info, byMetric map[sequence.MetricID][]*Leaf) (ordered, unordered map[sequence.MetricID]struct{}) {
	ordered, unordered = map[sequence.MetricID]struct{}{}, map[sequence.MetricID]struct{}{}
	// Segments of a leaf's metrics; whether they hold one of its series is not known
	// before they are read.
	ofLeaf := func(l *Leaf) []segment.Info {
		own := infos[:0:0]
		for i := range infos {
			if l.Members.Selects(infos[i].Metric) {
				own = append(own, infos[i])
			}
		}
		return own
	}
	for _, l := range leaves {
		own := ofLeaf(l)
		d.planLeaf(l, own)
		for i := range own {
			if !own[i].Sealed && !own[i].Ordered && l.Plan.Unordered {
				unordered[own[i].Metric] = struct{}{}
			}
		}
	}
	sets(leaves)
	var (
		toRead   []*Leaf // with ordered segments
		kept     []*keep.Leaf
		readings []executor.Reading
	)
	for _, l := range leaves {
		if l.Plan.Ordered && !l.follows {
			toRead, kept, readings = append(toRead, l), append(kept, l.Leaf), append(readings, executor.OrderedReading(l.Leaf, ofLeaf(l)))
		}
	}
	for i, choice := range d.Chooser.Delta(kept, readings) {
		// Late samples that are told one by one must be seen here.
		if slices.ContainsFunc(toRead[i].ofSet(), func(l *Leaf) bool { return l.OnLate != nil }) {
			choice = executor.Choice{Executor: flowdef.ExecutorColumnar, Reason: executor.ByFlow}
		}
		toRead[i].pushed = choice.Executor == flowdef.ExecutorPushdown
		d.Count(choice)
	}
	// A metric is read for its ordered segments if one leaf folds them here.
	for i := range infos {
		if infos[i].Sealed || !infos[i].Ordered {
			continue
		}
		for _, l := range byMetric[infos[i].Metric] {
			if l.Plan.Ordered && !l.pushed && !l.follows {
				ordered[infos[i].Metric] = struct{}{}
				break
			}
		}
	}
	return ordered, unordered
}

// sets finds the leaves that use the same panes. What their plans say of the panes is
// the same: it follows from the panes and the delta alone.
func sets(leaves []*Leaf) {
	kept := make(keep.Leaves, len(leaves))
	deltas := map[*keep.Leaf]*Leaf{}
	for i, l := range leaves {
		kept[i], deltas[l.Leaf] = l.Leaf, l
	}
	for _, set := range kept.Sets() {
		ds := make([]*Leaf, len(set))
		for i, l := range set {
			ds[i] = deltas[l]
			ds[i].set, ds[i].follows = ds, i > 0
		}
	}
}

// planLeaf decides what happens to the leaf's pane state, given the segments of
// its metrics after the vector. State that cannot be advanced exactly is dropped
// here; a later step builds it again from raw samples.
//
// State is also dropped if the delta could make it grow beyond MaxStateBytes. The
// segments' metadata tell that before a sample is read, so one sample with a time
// far ahead cannot allocate panes up to there. The ordered delta is still read, to
// learn which closed windows it reaches.
func (d *Delta) planLeaf(l *Leaf, infos []segment.Info) {
	st := flowplan.State{}
	if l.State != nil {
		st.Exists = true
		st.At, st.From = l.State.Position()
	}
	l.Plan = flowplan.Plan(st, d.After, d.Pos.Vector, infos, l.closed)
	if l.State != nil && !l.Plan.Rebuild && l.Plan.Samples > 0 && l.wouldGrow(l.Plan.Span) > d.MaxStateBytes {
		l.Plan.Rebuild, l.Plan.Reason = true, progress.BeyondHorizon
		l.Plan.Ordered = true
	}
	if l.Plan.Rebuild {
		if l.State != nil {
			d.Refills[l.Plan.Reason]++
		}
		l.State = nil
	}
}

// finish brings pane state to the round's vector: pushed-down partials, then
// repairs. Repairs come last because they fold raw samples, which hold the whole
// delta: folding a part of it afterwards would count it twice.
//
// A state that refuses to advance stands at a vector that nothing explains (I7).
// That is a fault of this program, and it is logged as one; the answer is still
// only to build the state again.
func (d *Delta) finish(ctx context.Context, l *Leaf, ranges map[sequence.Region]sequence.Range) error {
	if l.follows {
		return nil
	}
	if l.pushed {
		if err := d.pushDelta(ctx, l, ranges); err != nil {
			return err
		}
	}
	if l.State == nil {
		return nil
	}
	if !l.repair.Empty() {
		d.Refills[progress.Unordered]++
		if err := d.repairCells(ctx, l); err != nil {
			return err
		}
	}
	if err := l.State.Advance(ranges, d.Pos.Vector); err != nil {
		d.Log.Error("pane state dropped", "leaf", l.Def.Text, "err", err)
		d.Refills[progress.ReaderDisagrees]++
		l.dropState()
	}
	return nil
}

// pushDelta lets the database fold the ordered delta. The database gives one
// partial per pane and slot, and the pane's end stands for the times of all its
// samples. That is exact, because closed lies on a border of panes: a pane reaches
// closed windows with all of its samples or with none.
//
// When the database cannot (a sum that overflows is an error in SQL), the state is
// dropped, to be built again from raw, and the delta is read for the closed
// windows it reaches.
func (d *Delta) pushDelta(ctx context.Context, l *Leaf, ranges map[sequence.Region]sequence.Range) error {
	from, set := int64(math.MaxInt64), l.ofSet()
	if l.State != nil {
		from = l.From()
	}
	raw := maps.Clone(ranges) // no result of a flow is aggregated by the database
	delete(raw, results.Region)
	done, err := d.AggregateDelta(ctx, l.Leaf, raw, func(end int64, slot int32, part partial.Simple) error {
		for _, o := range set {
			if end <= o.closed {
				o.Late.Add(end, o.Members.GroupOf[slot])
			}
		}
		if end > from {
			l.State.MergeSimple(end, slot, len(l.Members.GroupOf), part)
		}
		return nil
	})
	if err != nil || done {
		return err
	}
	// Partials that were merged before the database gave up cannot be taken out.
	l.pushed = false
	l.dropState()
	return d.ReadDelta(ctx, l.Members.Metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
		for _, o := range set {
			o.take(seg)
		}
		return nil
	})
}

// repairCells folds the touched slots of the touched panes again from raw. Its
// cost follows the cells that late samples fall in: one late device does not make
// a fleet's panes be read again.
//
// More is read than is folded. The reading covers every touched series over every
// touched pane, because a query of exact cells would be as long as the cells are
// many; the filter then keeps the touched cells. Without the filter, a cell that
// was not emptied would count its samples twice.
func (d *Delta) repairCells(ctx context.Context, l *Leaf) error {
	var (
		touched = map[int32]struct{}{}
		spans   sequence.Spans
	)
	for _, end := range slices.Sorted(maps.Keys(l.repair.ByPane)) {
		var slots []int32
		keep.EachBit(l.repair.ByPane[end], func(slot int32) {
			touched[slot] = struct{}{}
			slots = append(slots, slot)
		})
		// Emptied first: what is folded below is all that the cells will hold.
		l.State.ClearCells(end, slots)
		spans = append(spans, l.PaneSpan(end))
	}
	var series []sequence.SeriesID
	for i, id := range l.Members.Series {
		if _, ok := touched[l.Members.Slots[i]]; ok {
			series = append(series, id)
		}
	}
	only := func(slot int32, t int64) bool { return l.repair.Has(l.PaneOf(t), slot) }
	if d.Mixes(l.Leaf) {
		return d.Fold(ctx, l.Leaf, l.State, series, sequence.Union(spans...), only)
	}
	raw, err := d.Columns(ctx, l.Members, series, sequence.Union(spans...), only)
	if err != nil {
		return err
	}
	keep.FoldColumns(l.State, raw, len(l.Members.GroupOf))
	return nil
}
