package round

// Flows that have results without samples (Compiled.FromNothing).
// Before: the flows of the group that samples begin have begun.
// After: the others have the group's windows: from the first one that any flow of
// the group has, each up to the group's watermark.
//
// Prometheus evaluates all rules of a group at each of its evaluation times. Which
// times these are, only samples tell here: the group's flows read the same senders,
// so where one of them has a sample, a Prometheus would have been there.

import (
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/sequence"
)

// maxGap is how many windows are computed of a stretch that no round has looked at
// because the process or its senders were away: of a longer one the newest. At one
// every 30 s it is 34 days, which takes some seconds, and a sample with a time of long
// ago costs no more. Only tests change it.
var maxGap int64 = 100_000

// follow lets the flows that have results from nothing go with their group. Where
// nothing of the group has begun, no sample may ever say that it has: without a
// selector it begins now, and where selectors find nothing for as long as it takes
// for a source to count as quiet, then.
//
// Those that read other flows go with these as well, which have begun before them.
func (r *round) follow(tier []*flowRound) {
	if !slices.ContainsFunc(tier, func(s *flowRound) bool { return s.Def.Expr.FromNothing }) {
		return
	}
	first, selects := sequence.EndOfTime, false
	group := flowplan.Clock{Newest: sequence.NoTime, NewestAt: sequence.NoTime}
	for _, f := range r.cascade.below {
		selects = selects || len(f.Leaves) > 0
		if f.to.EmittedUntil != sequence.NoTime {
			first = min(first, f.to.EmittedUntil)
		}
		group = group.Later(f.clock)
	}
	begun := group.Newest != sequence.NoTime && first != sequence.EndOfTime
	for _, s := range tier {
		if !s.Def.Expr.FromNothing {
			continue
		}
		if !begun {
			if s.waits == sequence.NoTime || s.waits > r.Pos.Now { // the clock may have been set back
				s.waits = r.Pos.Now
			}
			if selects && r.Pos.Now-s.waits < flowplan.QuietAfter {
				continue
			}
			first = r.Pos.Now
			// Nobody is waited for: the clock counts as quiet from the beginning.
			s.clock = flowplan.Clock{Newest: r.Pos.Now, NewestAt: r.Pos.Now - flowplan.QuietAfter}
		}
		s.clock = s.clock.Later(group)
		// Flows that have begun before stay where they are.
		if s.BeginsAfter == sequence.NoTime {
			s.to.EmittedUntil = s.windows().Last(first)
			s.to.BeginsAfter = s.to.EmittedUntil
		}
		s.started = true
	}
}

// everyWindow is the first windows that end within a stretch, at most limit.
func everyWindow(windows pane.Windows, within sequence.Span, limit int) []int64 {
	first := windows.Next(within.After)
	if n := windows.Count(within); n > int64(limit) {
		within.UpTo = first + int64(limit-1)*windows.Every
	}
	return slices.Collect(windows.Ends(first, within.UpTo))
}

// skipGap leaves out, of a long stretch to be closed, what has lost its samples
// and what is more than maxGap windows ago: each window would be looked at. Windows
// that are left out lie before the flow's beginning from then on.
func skipGap(s *flowRound, closed sequence.Time) {
	if !s.Def.Expr.FromNothing {
		return
	}
	every := s.windows().Every
	from := max(s.firstRebuildable(s.r.Pos.Earliest)-every, closed-maxGap*every)
	if from > s.to.EmittedUntil && from <= closed {
		s.to.EmittedUntil, s.to.BeginsAfter = from, from
	}
}
