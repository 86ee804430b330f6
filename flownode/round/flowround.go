package round

// The work of one round on one flow, and its outcome.
// Before: the flow stands where its last commit left it.
// After: everything that changes is in one progress.Round, to be stored in one
// transaction (I4).
//
// The flow's Progress does not change before the commit; the round works on a copy
// (to). Its caches and its clock do change, which is why a flow whose result is
// lost cannot be used again.

import (
	"context"
	"maps"
	"math"
	"slices"

	"laminar/flownode/advance"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/late"
	"laminar/flownode/progress"
	"laminar/flownode/results"
	"laminar/flownode/sideoutput"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// flowRound is the work on one flow in one round.
//
//	begin        find where windows begin, if they have not, and the newest sample
//	touch        closed windows that the delta reaches become dirty
//	watermark    says which windows are closed now
//	emit         windows that have closed, oldest first
//	provisional  the earliest open window
//	recompute    dirty windows that have been quiet
//	trim         drop panes that nothing needs
//	refill       move a requested job on
//	result       everything that is to be stored
//
// touch comes before emit: a window that closes in this round holds the delta
// already and must not become dirty by it. Refill comes last, so that a large job
// delays neither new windows nor corrections.
type flowRound struct {
	*Flow
	r       *round
	deltas  []*advance.Leaf // by leaf
	changed bool            // the history has changed
	to      progress.Progress
	started bool // its windows have begun

	inStep    bool // it was as far as the flows that it reads when the round began, and is to be when it ends
	outOfStep bool // it stood at another vector than they did

	onward onward // of a flow that reads itself

	// Of a flow that leaves late samples out, else nil: what is late in the delta, and then
	// what of it stays out.
	notes *late.Notes
	left  *late.Left

	out     output
	evalErr error
	tried   bool // a window was evaluated
	more    bool
}

// newFlowRound makes s a flow's work in a round of which nothing is known yet. changed
// says that what the flow had read is not in the history any more.
func (r *round) newFlowRound(s *flowRound, f *Flow, changed bool) *flowRound {
	*s = flowRound{Flow: f, r: r, changed: changed, to: f.Progress}
	s.to.Vector, s.to.Flushes = r.raw, r.Pos.Flushes
	s.takeLeaves()
	s.opened(&s.to, false)
	s.inStep = s.follows(s.to.EmittedUntil, s.windows().Last, s.Def.Expr.Ahead())
	for _, p := range s.others {
		// A flow that has written windows and stands elsewhere than one that has too:
		// one of them went on without the other.
		s.outOfStep = s.outOfStep || s.EmittedUntil > s.BeginsAfter && p.EmittedUntil > p.BeginsAfter && !s.Stored.Equal(p.Stored)
	}
	r.cascade.joins(f)
	return s
}

// takeLeaves makes the deltas those of the flow's leaves, which may be others
// than before.
func (s *flowRound) takeLeaves() {
	s.deltas = advance.NewLeaves(s.Leaves, s.EmittedUntil)
	noteLate(s)
}

// noteLate makes the leaves tell of each late sample, if some of them stay out of closed
// windows. A flow whose past has changed is computed again whatever came when; and while
// no window is closed, no sample is late.
func noteLate(s *flowRound) {
	s.notes = nil
	if !s.Def.LeavesOutLate() || s.changed || s.EmittedUntil == sequence.NoTime {
		return
	}
	side := s.Def.Late == flowdef.LateSideOutput
	if side && (s.Def.Expr.Native() || s.Def.Expr.Batch) {
		return // with native histograms it cannot be told what a sample adds
	}
	kept := 0
	if s.Def.KeepLate > 0 {
		kept = progress.MaxKeptLate
	}
	s.notes = late.NewNotes(s.r.LateBounds, kept, s.EmittedUntil, late.Frozen(&s.Def, s.EmittedUntil, s.Watermark))
	reaches := make([]late.Reach, 0, len(s.deltas)) // of one sample
	for i, l := range s.deltas {
		l.OnLate = func(x advance.LateSample) {
			if side && !x.Replaces && segment.IsStale(x.V) {
				return // no function that adds to rows sees it
			}
			if slices.ContainsFunc(s.deltas[:i], func(o *advance.Leaf) bool { return o.Closes(x.Series, x.T) }) {
				return // that leaf has noted it, for all
			}
			reaches = reaches[:0]
			for j, o := range s.deltas[i:] {
				if first, last := o.Windows.Of(sequence.Between(x.T, x.T)); first <= last && o.Closes(x.Series, x.T) {
					reaches = append(reaches, late.Reach{Leaf: int32(i + j), Group: o.Members.GroupOf[o.Members.Index.Get(x.Series)], First: first, Last: last})
				}
			}
			s.notes.Sample(reaches, late.Kind{Unordered: x.Unordered, Replaces: x.Replaces}, progress.LateSample{Series: x.Series, T: x.T, Value: x.V})
		}
	}
}

// begin begins the flow's windows, given the delta, whose newest sample the clock knows
// (cohort.seeNewest). For a flow that has none yet it finds where its windows begin: at
// the first sample it sees, by event time. So an hour of old data that is sent into an
// empty installation fills an hour of windows, and a flow that has seen nothing has no
// watermark and closes nothing.
//
// A flow that reads others goes by their clocks, so that it closes windows when they do,
// also where senders are quiet.
func (s *flowRound) begin(ctx context.Context) error {
	for _, p := range s.others {
		s.clock = s.clock.Later(p.clock)
	}
	if s.to.EmittedUntil == sequence.NoTime {
		first := firstEnd(s.deltas)
		if first == math.MaxInt64 {
			return nil
		}
		s.to.EmittedUntil = first - s.windows().Every
	}
	if s.to.BeginsAfter == sequence.NoTime {
		s.to.BeginsAfter = s.to.EmittedUntil
	}
	if s.clock.Newest == sequence.NoTime {
		// A backfill: what it starts from was stored before the flow was.
		if err := s.seeStored(ctx); err != nil {
			return err
		}
	}
	s.started = s.clock.Newest != sequence.NoTime
	return nil
}

// firstEnd is the first window end that the delta reaches, MaxInt64 for none. It
// empties the touches and spans of the delta, because no window is closed yet: all
// these windows are emitted anyway, and none must become dirty.
//
// Pinned leaves have no say. Their samples reach every window or none, so they do
// not tell where windows begin.
func firstEnd(deltas []*advance.Leaf) sequence.Time {
	first := int64(math.MaxInt64)
	for _, l := range deltas {
		for _, set := range l.Touches() {
			for end := range set.ByPane {
				if !l.Def.Pinned {
					begin, _ := l.Windows.Of(l.TouchSpan(end))
					first = min(first, begin)
				}
			}
			set.Reset()
		}
		for _, span := range l.Plan.Spans {
			if !l.Def.Pinned {
				begin, _ := l.Windows.Of(span.Span)
				first = min(first, begin)
			}
		}
		l.Plan.Spans = nil
	}
	return first
}

// seeStored notes the newest sample that is stored, for a flow whose windows begin
// before its first delta, and when it came: senders may have been quiet for long. Times
// beyond the database's clock do not count: they would put the watermark into the future.
func (s *flowRound) seeStored(ctx context.Context) error {
	raw := flowplan.Newest{T: sequence.NoTime}
	for _, l := range s.deltas {
		metrics := s.metrics(l.Leaf)
		if len(metrics) == 0 {
			continue
		}
		spans, err := s.r.Spans(ctx, metrics, sequence.Span{After: -1, UpTo: s.r.Pos.Now})
		if err != nil {
			return err
		}
		if n := len(spans); n > 0 {
			s.clock = s.clock.See(spans[n-1].UpTo, s.r.Pos.Now, s.r.Pos.Now)
		}
		infos, err := s.r.Infos(ctx, slices.DeleteFunc(slices.Clone(metrics), func(m sequence.MetricID) bool { return m < 0 }), sequence.Vector{})
		if err != nil {
			return err
		}
		for i := range infos {
			if in := &infos[i]; in.MaxT > raw.T {
				raw = flowplan.Newest{T: in.MaxT, Region: in.Region, Seq: min(in.MaxSeq, s.r.Pos.Vector.At(in.Region))}
			}
		}
	}
	if raw.T == sequence.NoTime || raw.T != s.clock.Newest {
		return nil // that came in this moment, or is a result
	}
	committed, err := s.r.committed(ctx, map[sequence.Region]sequence.Range{raw.Region: {After: raw.Seq - 1, UpTo: raw.Seq}})
	if err != nil {
		return err
	}
	s.clock.NewestAt = min(s.clock.NewestAt, committed(raw))
	return nil
}

// watermark is the time up to which the flow's windows are closed, at the round's
// vector. It never goes back. It stands still while samples that every window
// reads (of pinned leaves) may still come, and when such samples are given up.
func (s *flowRound) watermark() sequence.Time {
	before, now, def := s.to.Watermark, s.r.Pos.Now, &s.Def
	newest := s.clock.Watermark(now, 0, sequence.NoTime)
	if s.pinnedGone = pinnedIsGone(s.Flow, s.r.Pos.Earliest); s.pinnedGone || newest < def.ClosesFrom() {
		return before
	}
	w := s.sources.Hold(s.clock.Watermark(now, def.CloseDelay(), before), now, def.CloseDelay())
	return s.capped(w, before, def.Expr.Ahead())
}

// full reports whether work that can wait should go on in the next round: the
// round's time is used up, or the flow has as many rows to store as one
// transaction should write.
func (s *flowRound) full() bool {
	return !s.inStep && (s.r.overBudget() || s.out.rows >= maxRoundRows)
}

// result is the round as it is to be stored, progress and dirty list included
// (I4). The vector moves to the round's: every closed window that a sample up to
// there touches is among the windows or on the dirty list (progress.P3).
//
// An error of an expression stays stored until a window has been evaluated without
// one; a round that evaluates nothing says nothing about it.
func (s *flowRound) result(job *progress.JobStep) Result {
	s.to.NewestT, s.to.NewestAt = s.clock.Newest, s.clock.NewestAt
	s.to.Sources = s.sources.Stored(s.r.Pos.Now)
	pr := progress.Round{
		Flow: s.ID, Chain: s.chain, Epoch: s.Epoch, From: s.Stored, To: s.to,
		Windows: s.out.windows, Remove: s.out.remove, Job: job, Error: s.Error,
	}
	switch {
	case s.evalErr != nil:
		pr.Error = s.evalErr.Error()
	case s.tried:
		pr.Error = ""
	}
	for _, d := range s.DirtyWindows.TakeChanged() {
		add := progress.Dirty{WindowEnd: d.End, Reason: d.Reason, Since: d.Since, FirstAt: d.FirstAt, LastAt: d.LastAt}
		if d.All {
			pr.Add = append(pr.Add, add)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(d.Groups)) {
			add.Group = key
			pr.Add = append(pr.Add, add)
		}
	}
	pr.Late, pr.Chosen = lateResult(s), s.ChosenSince()
	idle := pr.Late == nil && pr.Chosen == nil && len(pr.Windows) == 0 && len(pr.Remove) == 0 && len(pr.Add) == 0 && job == nil && pr.Error == s.Error &&
		s.to.EmittedUntil == s.EmittedUntil
	s.seen = s.r.Pos.Vector.At(results.Region)
	return Result{Flow: s.Flow, Round: pr, Idle: idle, More: s.more}
}

// lateResult is what is to be stored of late samples; nil for nothing.
func lateResult(s *flowRound) *progress.Late {
	if s.left == nil {
		return nil
	}
	gone := max(s.firstRebuildable(s.r.Pos.Earliest), s.keptFrom())
	out := s.left.Result(s.Late.Stretches, gone)
	if out != nil {
		join, _ := sideoutput.Join(&s.Def)
		out.Join = string(join)
	}
	return out
}
