package flownode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// cohort is the flows of a round that stand at one vector, taken by the same
// flushes: they share the reading of the delta.
type cohort struct {
	after   sequence.Vector
	changed bool // what they have read is not in the history any more; after is zero
	flows   []*flowRun
}

// holds reports whether a flow stands where the cohort's others do.
func (c *cohort) holds(f *flowRun) bool {
	first := &c.flows[0].flow
	return first.Vector.Equal(f.flow.Vector) && maps.Equal(first.Flushes, f.flow.Flushes)
}

// cohorts sorts the flows by where they stand. Flows whose history changed
// start from nothing: everything stored is their delta.
func (g *group) cohorts(ctx context.Context, r *round) ([]*cohort, error) {
	var out []*cohort
	for _, f := range g.flows {
		if f.broken {
			continue
		}
		var c *cohort
		if i := slices.IndexFunc(out, func(c *cohort) bool { return c.holds(f) }); i >= 0 {
			c = out[i]
		} else {
			c = &cohort{after: f.flow.Vector}
			err := r.snap.CheckHistory(ctx, f.flow.Vector, f.flow.Flushes)
			if errors.Is(err, sequence.ErrHistoryChanged) {
				g.node.log.Warn("committed sequences have disappeared or changed: computing again from all raw samples",
					"group", g.name, "vector", f.flow.Vector.String(), "reason", string(flowplan.HistoryChanged))
				c.after, c.changed = sequence.Vector{}, true
			} else if err != nil {
				return nil, fmt.Errorf("check that %s is still in the history: %w", f.flow.Vector, err)
			}
			out = append(out, c)
		}
		if c.changed {
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
	f.groupRows = groupRows{}
	for _, l := range f.leaves {
		l.Members = NewMembers(l.Def)
	}
}

// readDelta plans every leaf of the cohort and reads the delta once for all of
// them: ordered samples are folded into pane state or noted where they reach
// closed windows, unordered ones are noted for repair.
func (c *cohort) readDelta(ctx context.Context, r *round) error {
	ranges := c.after.Delta(r.pos.Vector)
	byMetric := map[sequence.MetricID][]*Leaf{}
	var metrics []sequence.MetricID
	for _, f := range c.flows {
		for _, l := range f.leaves {
			l.late.Reset()
			l.unordered.Reset()
			l.repair.Reset()
			for _, m := range l.Members.Metrics {
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
	ordered, unordered := c.plan(r, infos, byMetric)
	if len(ranges) == 0 {
		return nil
	}
	read := func(want map[sequence.MetricID]struct{}, pick segment.Pick, use func(*segment.Segment)) error {
		if len(want) == 0 {
			return nil
		}
		ids := make([]sequence.MetricID, 0, len(want))
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
	if err := late.compare(ctx, r); err != nil {
		return err
	}
	for key, v := range late.values {
		for _, l := range byMetric[late.metric[key.series]] {
			l.noteLate(key, v, late.isNew(key))
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
func (c *cohort) plan(r *round, infos []segment.Info, byMetric map[sequence.MetricID][]*Leaf) (ordered, unordered map[sequence.MetricID]struct{}) {
	ordered, unordered = map[sequence.MetricID]struct{}{}, map[sequence.MetricID]struct{}{}
	var (
		leaves   []*Leaf // with ordered segments to be read
		readings []flowplan.Reading
	)
	for _, f := range c.flows {
		for _, l := range f.leaves {
			own := infos[:0:0]
			for i := range infos {
				if l.Members.Selects(infos[i].Metric) {
					own = append(own, infos[i])
				}
			}
			st := flowplan.State{}
			if l.State != nil {
				st.Exists = true
				st.At, st.From = l.State.Position()
			}
			l.closed = l.ClosedT(f.flow.EmittedUntil)
			if f.flow.EmittedUntil == progress.Unset {
				// Where windows begin is found from the first samples.
				l.closed = math.MaxInt64
			}
			l.plan = flowplan.Plan(st, c.after, r.pos.Vector, own, l.closed)
			if l.State != nil && !l.plan.Rebuild && l.plan.Samples > 0 && l.wouldGrow(l.plan.MinT, l.plan.MaxT) > r.node.cfg.MaxStateBytes {
				l.plan.Rebuild, l.plan.Reason = true, flowplan.BeyondHorizon
				l.plan.Ordered = true
			}
			if l.plan.Rebuild {
				if l.State != nil {
					r.node.metrics.refills.WithLabelValues(string(l.plan.Reason)).Inc()
				}
				l.State = nil
			}
			if l.pushed = false; l.plan.Ordered {
				leaves, readings = append(leaves, l), append(readings, l.orderedReading(own))
			}
			for i := range own {
				if !own[i].Sealed && !own[i].Ordered && l.plan.Unordered {
					unordered[own[i].Metric] = struct{}{}
				}
			}
		}
	}
	for i, choice := range chooseExecutors(r, leaves, readings) {
		leaves[i].pushed = choice.Executor == ExecutorPushdown
		r.node.metrics.read(choice)
	}
	for i := range infos {
		if infos[i].Sealed || !infos[i].Ordered {
			continue
		}
		for _, l := range byMetric[infos[i].Metric] {
			if l.plan.Ordered && !l.pushed {
				ordered[infos[i].Metric] = struct{}{}
				break
			}
		}
	}
	return ordered, unordered
}
