package round

// The series that flows select.
// Before: a flow's members are complete up to MembersAt, or there are none.
// After: they are complete at the round's vector.

import (
	"context"
	"slices"
	"sync"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/series"
)

// manySeries is the least number of new series that each leaf adds in a goroutine
// of its own. Fewer are added sooner than goroutines are started; the first round
// after a start adds millions.
const manySeries = 10_000

// members adds the series created since each flow last looked. Matchers and
// grouping labels are evaluated here, once per series, and never per sample.
//
// A series is stamped with the region and sequence of the flush that created it, so
// those created after a vector are exactly those whose first sample lies after it:
// no sample of the delta has a series that is not known afterwards. Flows that last
// looked at the same vector share one question to the database.
//
// A nil MembersAt asks for all series. MembersAt moves before the series are
// added, which is safe because a flow is thrown away after any error (I7).
func (r *round) members(ctx context.Context, flows []*flowRound) error {
	type since struct { // flows that last looked at one vector; nearly always all of them
		after  sequence.Vector
		flows  []*Flow
		leaves keep.Leaves
	}
	var fresh keep.Leaves
	var all []*since
	for _, f := range flows {
		if f.MembersAt != nil && f.MembersAt.Covers(r.Pos.Vector) {
			continue
		}
		if f.MembersAt == nil {
			fresh = append(fresh, f.Leaves...)
			f.numbered = 0
		}
		i := slices.IndexFunc(all, func(s *since) bool { return (s.after == nil) == (f.MembersAt == nil) && s.after.Equal(f.MembersAt) })
		if i < 0 {
			i, all = len(all), append(all, &since{after: f.MembersAt})
		}
		s := all[i]
		s.flows, s.leaves = append(s.flows, f.Flow), append(s.leaves, f.Leaves...)
	}
	if len(fresh) > 0 {
		var leaves keep.Leaves
		for _, f := range flows {
			leaves = append(leaves, f.Leaves...)
		}
		keep.ShareMembers(fresh, leaves)
	}
	for _, s := range all {
		list, err := r.Series(ctx, s.leaves.MetricNames(), s.after, s.leaves.LabelNames()...)
		if err != nil {
			return err
		}
		for _, f := range s.flows {
			f.MembersAt = r.Pos.Vector
		}
		addSeries(s.leaves, list)
		for _, f := range s.flows {
			f.sources.Add(f.Leaves, list)
		}
	}
	return nil
}

// addSeries makes the series members of the leaves that select them: first each
// selection gives them slots, then each grouping puts the slots into its groups.
func addSeries(leaves keep.Leaves, list []series.Series) {
	if len(list) < manySeries {
		leaves.AddSeries(list)
		return
	}
	var adding sync.WaitGroup
	for _, m := range leaves.Selections() {
		adding.Go(func() { m.Select(list) })
	}
	adding.Wait()
	for _, m := range leaves.Groupings() {
		adding.Go(func() { m.Group(list) })
	}
	adding.Wait()
}
