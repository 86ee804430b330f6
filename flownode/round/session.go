package round

// A flow whose results are sessions.
// Before: the delta is read, as for other flows; pane state, where it exists, stands at
// the round's vector.
// After: the rows of its sessions are what all samples up to the round's vector give, or
// the dirty list says of which halves they are not.
//
// Sessions have no windows. What is said of windows holds of stretches of time: sessions
// that end up to emitted-until are closed, a refill finds sessions that end in a stretch,
// and an entry of the dirty list is a half (package session), with the groups in which
// samples of it came late. Which rows change is worked out in package sessionround.

import (
	"context"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/session"
	"laminar/flownode/sessionround"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// sessionRound is the work of one round on a flow of sessions.
type sessionRound struct {
	*flowRound
	rows *sessionround.Work
}

// sessionWork begins the work of the round on the rows of sessions.
func sessionWork(s *flowRound) *sessionround.Work {
	return &sessionround.Work{
		Rows: &s.sessions, Leaf: s.Leaves[0], Layout: flowdef.NewLayout(s.Def), Update: s.Def.Emit == flowdef.EmitUpdate, Floor: sessionFloor(s), MaxBytes: s.r.MaxStateBytes,
		Stored: func(ctx context.Context, ends sequence.Span) ([]progress.Window, error) {
			ends.UpTo = min(ends.UpTo, segment.MaxTime) // the latest that a database is asked for
			return s.r.cascade.Tables.StoredResults(ctx, &s.Flow.Flow, ends)
		},
	}
}

// sessionFloor is up to where sessions end that are not looked at: samples that they need
// are given up, or their rows are not kept.
func sessionFloor(s *flowRound) sequence.Time {
	rule, floor := s.Def.Session, sequence.Time(-1)
	if earliest := s.r.Pos.Earliest; earliest > 0 {
		floor = earliest - 2 + rule.Reach() // the last that Compiled.Rebuildable refuses
	}
	return max(floor, s.keptFrom()-1)
}

// computeSessions is compute for a flow of sessions.
func computeSessions(ctx context.Context, flow *flowRound, job *progress.Job) (Result, error) {
	s := sessionRound{flow, sessionWork(flow)}
	if s.started {
		if err := s.touch(ctx); err != nil {
			return Result{}, err
		}
		s.to.Watermark = s.watermark()
		if err := s.close(ctx); err != nil {
			return Result{}, err
		}
		if err := s.recompute(ctx); err != nil {
			return Result{}, err
		}
		s.trim()
	}
	var step *progress.JobStep
	if job != nil {
		var err error
		if step, err = s.refill(ctx, job, s.refillChunk, sessionChunk*s.Def.Session.Half()/s.Def.Every); err != nil {
			return Result{}, err
		}
	}
	s.out.windows = s.rows.Windows()
	return s.result(step), nil
}

// refillChunk finds the sessions that end in the windows from first to last from raw
// samples, and says how many there are.
func (s sessionRound) refillChunk(ctx context.Context, first, last sequence.Time) (int64, error) {
	s.r.Windows[Refilled]++
	before := s.rows.Found()
	err := s.rows.Replace(ctx, s.r.Reader, sequence.Span{After: first - s.Def.Every, UpTo: last}, sessionround.Wanted{All: true}, true)
	return s.rows.Found() - before, err
}

// touch brings closed sessions up to date that the delta reaches. A session that
// a late sample joins to an open one changes in the commit in which that one does, so what
// is as near as that does not wait. What is older, and not in memory, goes on the dirty list.
func (s sessionRound) touch(ctx context.Context) error {
	w := s.rows
	var (
		l, rule = s.deltas[0], s.Def.Session
		emitted = s.to.EmittedUntil
		now     sessionround.Wanted
		since   = emitted // of what does not wait
	)
	touch := func(half sequence.Time, key string, reason progress.Reason) {
		ends := rule.Affected(half)
		if ends.After >= emitted || ends.UpTo <= w.Floor {
			return // none of it is closed, or none can be found any more
		}
		if ends.UpTo < emitted {
			s.DirtyWindows.Touch(half, key, reason, s.Vector, s.r.Pos.Now)
			return
		}
		if since = min(since, ends.After); key == progress.AllGroups {
			now.All = true
		} else {
			now.Add(key)
		}
		s.r.Refills[reason]++
	}
	if s.changed && len(l.Members.Metrics) > 0 {
		spans, err := s.r.Spans(ctx, l.Members.Metrics, sequence.Span{After: max(-1, w.Floor-rule.Reach()), UpTo: emitted + rule.Gap})
		if err != nil {
			return err
		}
		for _, span := range spans {
			eachHalf(rule, span, func(half sequence.Time) { touch(half, progress.AllGroups, progress.HistoryChanged) })
		}
	}
	for _, span := range l.Plan.Spans {
		eachHalf(rule, span.Span, func(half sequence.Time) { touch(half, progress.AllGroups, span.Reason) })
	}
	for _, set := range []struct {
		*keep.Touches
		reason progress.Reason
	}{{&l.Late, progress.LateOrdered}, {&l.Unordered, progress.Unordered}} {
		for half, bits := range set.ByPane {
			keep.EachBit(bits, func(group int32) {
				ends := rule.Affected(half)
				ends.UpTo = min(ends.UpTo, emitted)
				if l.Before.Knows(group, ends) && l.ReachesBack(rule.Needs(ends).After) {
					s.r.Refills[set.reason]++
					return // Late looks at it
				}
				touch(half, l.Members.Groups[group].Key, set.reason)
			})
		}
	}
	if l.State != nil {
		w.Late(&l.Before)
	}
	if now.Empty() {
		return nil
	}
	return w.Replace(ctx, s.r.Reader, sequence.Span{After: since, UpTo: emitted}, now, false)
}

// eachHalf calls fn for each half that overlaps a span.
func eachHalf(rule *session.Rule, span sequence.Span, fn func(half sequence.Time)) {
	for half := rule.Grid().End(span.After + 1); half-rule.Half() < span.UpTo; half += rule.Half() {
		fn(half)
	}
}

// sessionChunk is how many halves are found at a time from raw samples.
const sessionChunk = 4

// close closes sessions that end up to the watermark, and brings the rows of open
// ones up to date. A flow that is far behind does so chunk by chunk, from raw samples; and
// so does one whose state would take more memory than it may, without rows of open
// sessions.
func (s sessionRound) close(ctx context.Context) error {
	w := s.rows
	rule, l := s.Def.Session, s.Leaves[0]
	closed := max(s.to.EmittedUntil, s.to.ClosedUntil(s.windows()))
	for begun := false; ; begun = true {
		if s.to.EmittedUntil < w.Floor && closed > s.to.EmittedUntil {
			s.to.EmittedUntil = min(closed, s.windows().From(w.Floor))
		}
		far := closed-s.to.EmittedUntil > sessionChunk*rule.Half()
		if !far || l.ReachesBack(needed(s.flowRound, l)) {
			if err := s.ensureState(ctx); err != nil {
				return err
			}
			break
		}
		if begun && s.full() {
			s.more = true
			return nil
		}
		upTo := min(closed, s.windows().Last(s.to.EmittedUntil+sessionChunk*rule.Half()))
		if err := w.Replace(ctx, s.r.Reader, sequence.Span{After: s.to.EmittedUntil, UpTo: upTo}, sessionround.Wanted{All: true}, false); err != nil {
			return err
		}
		s.r.Windows[Closed]++
		s.to.EmittedUntil = upTo
	}
	if l.State == nil {
		w.Forget(closed)
		if closed > s.to.EmittedUntil {
			if err := w.Replace(ctx, s.r.Reader, sequence.Span{After: s.to.EmittedUntil, UpTo: closed}, sessionround.Wanted{All: true}, false); err != nil {
				return err
			}
		}
	} else if err := w.Advance(ctx, s.to.EmittedUntil, closed); err != nil {
		return err
	}
	if closed > s.to.EmittedUntil {
		s.r.Windows[Closed]++
		s.to.EmittedUntil = closed
	}
	return nil
}

// recompute finds closed sessions again near late samples that are older than what
// is in memory.
func (s sessionRound) recompute(ctx context.Context) error {
	w := s.rows
	ready := s.DirtyWindows.Ready(s.r.Pos.Now, dirtyPerRound)
	s.more = s.more || len(ready) == dirtyPerRound
	for i, d := range ready {
		if i > 0 && (s.full() || w.Count() >= maxRoundRows) {
			s.more = true
			return nil
		}
		ends := s.Def.Session.Affected(d.End)
		ends.UpTo = min(ends.UpTo, s.to.EmittedUntil)
		if err := w.Replace(ctx, s.r.Reader, ends, sessionround.Wanted{All: d.All, Keys: d.Groups}, false); err != nil {
			return err
		}
		s.r.Refills[d.Reason]++
		s.r.Windows[Recomputed]++
		s.out.forget(d)
		s.DirtyWindows.Remove(d.End)
	}
	return nil
}
