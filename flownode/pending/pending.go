// Package pending counts the samples that a flow has not read yet, by group, for triggers that
// start a round when one group has enough of them. It reads samples only where there are
// enough in all, and has no clock: who asks when, and what becomes of the answer, is
// flownode's.
package pending

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Pending is the counts of one flow. Groups are those of the flow's leaves; of one without an
// aggregation every series is a group. What was counted is remembered until the flow has
// read it, so each sample is read once to be counted.
type Pending struct {
	of      *round.Flow     // whose samples are counted
	from    sequence.Vector // where it stands
	upTo    sequence.Vector // counted up to here
	leaves  []groups
	largest int64 // count of a group
}

// groups is the counts of one leaf. Groups have the numbers that members give them;
// those that only new series have follow.
type groups struct {
	counts []int64
	fresh  map[sequence.SeriesID]int32 // groups of series that are no members yet
	byKey  map[string]int32            // numbers of groups that no member has
}

// Count counts up to the reader's position and returns how many samples the group with most
// of them has. Sealed segments do not tell what of them is pending: then it is enough.
func (p *Pending) Count(ctx context.Context, r *read.Reader, f *round.Flow, enough int64) (int64, error) {
	if p.of != f || !p.from.Equal(f.Vector) {
		*p = Pending{of: f, from: f.Vector.Clone(), upTo: f.Vector.Clone(), leaves: make([]groups, len(f.Leaves))}
		for i, l := range f.Leaves {
			p.leaves[i] = groups{counts: make([]int64, len(l.Members.Groups)), fresh: map[sequence.SeriesID]int32{}, byKey: map[string]int32{}}
		}
	}
	list, err := r.Series(ctx, f.Leaves.MetricNames(), f.MembersAt, f.Leaves.LabelNames()...)
	if err != nil {
		return 0, fmt.Errorf("look for new series of %s: %w", f.Def.Name, err)
	}
	metrics := f.Leaves.Metrics()
	for i := range list {
		if p.enroll(f, &list[i]) {
			metrics = append(metrics, list[i].Metric)
		}
	}
	slices.Sort(metrics)
	metrics = slices.Compact(metrics)
	infos, err := r.Infos(ctx, metrics, p.from)
	if err != nil {
		return 0, fmt.Errorf("count pending samples of %s: %w", f.Def.Name, err)
	}
	var all int64
	for i := range infos {
		if infos[i].Sealed {
			return enough, nil
		}
		all += infos[i].Samples
	}
	if all < enough { // no group can have as many
		return all, nil
	}
	err = r.ReadDelta(ctx, metrics, p.upTo.Delta(r.Pos.Vector), segment.PickAll, func(seg *segment.Segment) error {
		p.take(f, seg)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count pending samples of %s by group: %w", f.Def.Name, err)
	}
	p.upTo = r.Pos.Vector.Clone()
	return p.largest, nil
}

// enroll finds the groups of a series that is no member yet, as the round will, and reports
// whether a leaf selects it.
func (p *Pending) enroll(f *round.Flow, s *series.Series) (selected bool) {
	b := labels.NewScratchBuilder(len(s.Labels))
	for _, l := range s.Labels {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	lset := b.Labels()
	for i, l := range f.Leaves {
		if s.Metric < 0 && !l.Def.NamesMetric() || !l.Def.Matches(lset.Get) || l.Def.LeavesOut(lset) {
			continue
		}
		selected = true
		of := &p.leaves[i]
		if _, known := of.fresh[s.ID]; known {
			continue
		}
		key := l.Members.FoldedKey(flowdef.GroupKey(l.Def.GroupLabels(lset)))
		g, known := l.Members.GroupOfKey(key)
		if !known {
			if g, known = of.byKey[key]; !known {
				g = int32(len(of.counts))
				of.byKey[key], of.counts = g, append(of.counts, 0)
			}
		}
		of.fresh[s.ID] = g
	}
	return selected
}

// take counts the samples of a segment, for each leaf that selects them.
func (p *Pending) take(f *round.Flow, seg *segment.Segment) {
	for i, l := range f.Leaves {
		of := &p.leaves[i]
		for _, id := range seg.Series {
			var g int32
			if slot := l.Members.Index.Get(id); slot != keep.NoSlot {
				g = l.Members.GroupOf[slot]
			} else if fresh, known := of.fresh[id]; known {
				g = fresh
			} else {
				continue
			}
			if g >= 0 {
				of.counts[g]++
				p.largest = max(p.largest, of.counts[g])
			}
		}
	}
}
