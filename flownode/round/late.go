package round

// Samples that are late for windows which keep their values (package late).
// Before: the late samples of the delta are noted (noteLate).
// After: what stays out of closed windows is known, and what a window that was computed
// again lacks no more.

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/late"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// judgeLate decides which of the late samples make windows dirty, and which stay out of
// them. Windows that are dirty for other reasons are on the list by now.
func judgeLate(s *flowRound) {
	if s.notes == nil {
		return
	}
	keyOf := func(leaf, group int32) string {
		if !s.Def.Expr.ByGroup {
			return progress.AllGroups
		}
		return flowplan.GroupName(s.deltas[leaf].Members.Groups[group].Key)
	}
	var side *late.Side
	if s.Def.Late == flowdef.LateSideOutput {
		side = &late.Side{Of: s.deltas[0].Def.Func.OfSamples, Columns: func(group int32) []string {
			return s.Columns(s.deltas[0].Members.Groups[group].Labels)
		}}
	}
	s.left = s.notes.Judge(late.Flow{
		Side: side, Every: s.windows().Every, Noted: s.Late.Noted,
		Key: keyOf, Waits: s.DirtyWindows.Holds,
		Again: func(end sequence.Time, key string, reason progress.Reason) {
			s.DirtyWindows.Touch(end, key, reason, s.Vector, s.r.Pos.Now)
		},
	})
}

// lateWhole notes that a closed window was computed from all its samples.
func lateWhole(s *flowRound, end sequence.Time, all bool, keys map[string]struct{}) {
	if !s.Def.LeavesOutLate() {
		return
	}
	if s.left == nil {
		s.left = late.NewLeft(s.windows().Every)
	}
	s.left.Whole(end, all, keys)
}
