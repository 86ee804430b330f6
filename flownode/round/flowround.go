package round

// The work of one round on one flow, and what comes of it.
// Before: the flow stands where its last commit left it.
// After: everything that changes is in one progress.Round, to be stored in one
// transaction (I4).

import (
	"context"
	"maps"
	"math"
	"slices"

	"laminar/flownode/keep"
	"laminar/flownode/progress"
)

// flowRound is the work on one flow in one round. Its steps, in this order: start,
// touch, close, emit, provisional, recompute, trim, refill, result.
type flowRound struct {
	*Flow
	r       *round
	deltas  []*leafDelta // by leaf
	changed bool         // the history has changed
	to      progress.Progress
	started bool // its windows have begun

	windows []progress.Window
	byEnd   map[int64]int // window end -> index in windows
	rowsPut int           // present and gone, in windows
	remove  []progress.DirtyKey
	evalErr error
	tried   bool // a window was evaluated
	more    bool
}

// newFlowRound is a flow's work in a round of which nothing is known yet.
func (r *round) newFlowRound(f *Flow, changed bool) *flowRound {
	s := &flowRound{Flow: f, r: r, changed: changed, to: f.Progress, byEnd: map[int64]int{}}
	s.to.Vector, s.to.Flushes = r.Pos.Vector, r.Pos.Flushes
	s.takeLeaves()
	return s
}

// takeLeaves makes the deltas those of the flow's leaves, which may be others
// than before.
func (s *flowRound) takeLeaves() {
	s.deltas = make([]*leafDelta, len(s.Leaves))
	for i, l := range s.Leaves {
		s.deltas[i] = &leafDelta{Leaf: l}
	}
}

// every is the distance of window ends.
func (s *flowRound) every() int64 { return s.Def.Every }

// begin begins the flow's windows, given the delta. It notes the newest sample
// and, for a flow that has none yet, finds where its windows begin: at the first
// sample it sees, by event time.
func (s *flowRound) begin(ctx context.Context) error {
	for _, l := range s.deltas {
		if l.plan.Samples > 0 {
			s.clock = s.clock.See(l.plan.MaxT, s.r.Pos.Now)
		}
	}
	if s.to.EmittedUntil == progress.Unset {
		first := s.firstEnd()
		if first == math.MaxInt64 {
			return nil
		}
		s.to.EmittedUntil = first - s.every()
	}
	if s.to.BeginsAfter == progress.Unset {
		s.to.BeginsAfter = s.to.EmittedUntil
	}
	if s.clock.Newest == progress.Unset {
		// A backfill: what it starts from was stored before the flow was.
		if err := s.seeStored(ctx); err != nil {
			return err
		}
	}
	s.started = s.clock.Newest != progress.Unset
	return nil
}

// firstEnd is the first window end that the delta reaches, MaxInt64 for none. The
// delta touches nothing then: all these windows are emitted anyway.
func (s *flowRound) firstEnd() int64 {
	first := int64(math.MaxInt64)
	for _, l := range s.deltas {
		for _, set := range []*keep.Touches{&l.late, &l.unordered} {
			for end := range set.ByPane {
				if !l.Def.Pinned {
					begin, _ := l.WindowsOf(end - l.TouchWidth() + 1)
					first = min(first, begin)
				}
			}
			set.Reset()
		}
		for _, span := range l.plan.Spans {
			if !l.Def.Pinned {
				begin, _ := l.WindowsOf(span.Span.MinT)
				first = min(first, begin)
			}
		}
		l.plan.Spans = nil
	}
	return first
}

// seeStored notes the newest sample that is stored.
func (s *flowRound) seeStored(ctx context.Context) error {
	for _, l := range s.deltas {
		if len(l.Members.Metrics) == 0 {
			continue
		}
		spans, err := s.r.Spans(ctx, l.Members.Metrics, -1, s.r.Pos.Now)
		if err != nil {
			return err
		}
		if n := len(spans); n > 0 {
			s.clock = s.clock.See(spans[n-1].MaxT, s.r.Pos.Now)
		}
	}
	return nil
}

// watermark is the time up to which the flow's windows are closed, at the
// round's vector. It stands still while samples that every window reads are due,
// or given up.
func (s *flowRound) watermark() int64 {
	before, now, def := s.to.Watermark, s.r.Pos.Now, &s.Def
	newest := s.clock.Watermark(now, 0, progress.Unset)
	if s.pinnedGone = def.Expr.PinnedGone(s.r.Pos.Earliest); s.pinnedGone || newest < def.ClosesFrom() {
		return before
	}
	return s.clock.Watermark(now, def.CloseDelay(), before)
}

// put adds a window to what is stored this round. Of two for the same end the
// later one holds, unless it knows less.
func (s *flowRound) put(w progress.Window) {
	if len(w.Rows) == 0 && len(w.Gone) == 0 && !w.Complete {
		return
	}
	s.rowsPut += len(w.Rows) + len(w.Gone)
	if i, ok := s.byEnd[w.End]; ok {
		if w.Complete || !s.windows[i].Complete {
			s.windows[i] = w
		}
		return
	}
	s.byEnd[w.End] = len(s.windows)
	s.windows = append(s.windows, w)
}

// Budgets of what is computed at a time.
const (
	maxChunkBytes = int64(256 << 20) // of pane state, of windows computed from one reading
	maxRoundRows  = 500_000          // of a flow in a round, about: so many and one chunk more
)

// full reports whether work that can wait should go on in the next round.
func (s *flowRound) full() bool { return s.r.overBudget() || s.rowsPut >= maxRoundRows }

// chunk is how many windows are computed from one reading of raw samples: at
// least as many as make re-reading their overlap cheap. Windows of a batch leaf
// are each computed from all their samples, which costs more than reading them.
func (s *flowRound) chunk() int {
	n := int64(32)
	for _, l := range s.Leaves {
		if !l.Def.Batch {
			n = max(n, l.Def.Range/l.Step)
		}
	}
	return s.bounded(min(n, 1000))
}

// bounded is how many of n windows can be computed from one reading, so that
// memory does not grow with how much there is to compute.
func (s *flowRound) bounded(n int64) int {
	for _, l := range s.Leaves {
		groups := int64(max(1, len(l.Members.Groups)))
		n = min(n, maxRoundRows/groups)
		if l.Def.Batch {
			continue
		}
		n = min(n, (l.PanesIn(maxChunkBytes)*l.Def.Pane-l.Def.Range)/l.Step+1)
	}
	return int(max(1, n))
}

// gap is how far apart windows may be that are computed from one reading: over a
// longer gap reading raw samples would be wasted.
func (s *flowRound) gap() int64 { return max(s.Def.Expr.MaxReach, 16*s.every()) }

// result is the round as it is to be stored.
func (s *flowRound) result(job *progress.JobStep) Result {
	s.to.NewestT, s.to.NewestAt = s.clock.Newest, s.clock.NewestAt
	pr := progress.Round{
		Flow: s.ID, Epoch: s.Epoch, From: s.Stored, To: s.to,
		Windows: s.windows, Remove: s.remove, Job: job, Error: s.Error,
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
	idle := len(pr.Windows) == 0 && len(pr.Remove) == 0 && len(pr.Add) == 0 && job == nil && pr.Error == s.Error &&
		s.to.EmittedUntil == s.EmittedUntil
	return Result{Flow: s.Flow, Round: pr, Idle: idle, More: s.more}
}
