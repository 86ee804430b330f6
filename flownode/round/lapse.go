package round

// Series that are no more.
// Before: flows know all series that they have ever selected.
// After: if most of these are gone, they know those that are there. That costs what a
// start costs, so it is done seldom enough.

import (
	"context"
	"slices"

	"laminar/flownode/keep"
	"laminar/flownode/read"
)

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

// fewResults is how many series of results may always have a number: some 10 MB of
// them. Only tests change it.
var fewResults = 20_000

// forget takes the numbers of all series of results back when there are four times as
// many as were needed after it was done last. A number lasts while its series comes and
// goes, so a record whose label values come and go would take more memory day after day.
// Flows that read results read their members anew, and build pane state again.
func (c *Cascade) forget(flows []*Flow) {
	// Flows that have failed have rounds of their own. Few flows of the group do not tell
	// how many numbers all of them need. Where flows go for good, widest comes down after
	// them, by one with each round.
	c.widest = max(len(flows), c.widest-1)
	n := c.records.Len()
	switch {
	case 2*len(flows) < c.widest:
	case c.most == 0:
		c.most = max(4*n, fewResults)
	case n > c.most:
		c.records.Forget()
		c.most = 0
		c.numbering++
	}
	for _, f := range flows {
		if f.numbering == c.numbering {
			continue
		}
		if f.numbering = c.numbering; f.feed != nil {
			f.feed = c.records.NewFeed(&f.Flow)
		}
		if len(f.reads) > 0 {
			f.forgetHistory()
			f.seen = 0
		}
	}
}
