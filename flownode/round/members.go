package round

// The series that flows select.
// Before: a flow's members are complete up to MembersAt, or there are none.
// After: they are complete at the round's vector.

import (
	"context"
	"slices"
	"sync"

	"laminar/flownode/keep"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/series"
)

// manySeries is the least number of new series that each leaf adds in a goroutine
// of its own. Fewer are added sooner than goroutines are started; the first round
// after a start adds millions.
const manySeries = 10_000

// How many of a flow's series may be gone before it reads its members anew.
const (
	// lapseMembers is how many members of a leaf are worth a look.
	lapseMembers = 1000
	// lapsePart: one in so many gone is too many.
	lapsePart = 4
	// lapseSample is of how many members it is looked up whether they are gone.
	lapseSample = 1000
)

// lapse makes flows read their members anew a quarter of whose series have been removed,
// since they have no samples any more. Slots and groups keep their numbers (keep.M3), so
// the members of a leaf cannot shrink; and a flow over a metric whose label values come
// and go would take more memory day after day. It costs what a start costs: pane state is
// a cache (I7) and is built again.
//
// The database is asked when so many series have been removed, of whichever metrics,
// that it can be a quarter, and then about members at even distances. Flows that share a
// selection with such a flow begin anew with it: it would find the old one there.
func (r *round) lapse(ctx context.Context, flows []*Flow) error {
	anew := map[*keep.Selection]bool{}
	for _, f := range flows {
		if f.MembersAt == nil {
			f.removed = r.Pos.Removed
			continue
		}
		members := 0
		for _, l := range f.Leaves {
			members = max(members, len(l.Members.Series))
		}
		if members < lapseMembers || r.Pos.Removed-f.removed < int64(members/lapsePart) {
			continue
		}
		f.removed = r.Pos.Removed
		for _, l := range f.Leaves {
			sample := l.Members.Sample(lapseSample)
			if len(l.Members.Series) < lapseMembers {
				continue
			}
			there, err := read.There(ctx, r.Reader, sample)
			if err != nil {
				return err
			}
			if gone := len(sample) - there; gone*lapsePart >= len(sample) {
				r.Log.Info("reading the members of a flow anew: series of it have been removed", "flow", f.Def.Name, "members", members,
					"part", float64(gone)/float64(len(sample)))
				anew[l.Members.Selection] = true
				break
			}
		}
	}
	for more := len(anew) > 0; more; {
		more = false
		for _, f := range flows {
			if f.MembersAt != nil && f.shares(anew) {
				for _, l := range f.Leaves {
					anew[l.Members.Selection] = true
				}
				f.forgetHistory()
				more = true
			}
		}
	}
	return nil
}

// shares reports whether a leaf of the flow has one of the selections.
func (f *Flow) shares(selections map[*keep.Selection]bool) bool {
	return slices.ContainsFunc(f.Leaves, func(l *keep.Leaf) bool { return selections[l.Members.Selection] })
}

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
	}
	return nil
}

// addSeries makes the series members of the leaves that select them: first each
// selection gives them slots, then each leaf puts the slots into its groups.
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
	for _, m := range leaves.Members() {
		adding.Go(func() { m.Group(list) })
	}
	adding.Wait()
}
