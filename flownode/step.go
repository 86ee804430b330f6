package flownode

import (
	"context"
	"maps"
	"math"
	"slices"

	"laminar/flownode/progress"
)

// stepResult is what a round makes of one flow.
type stepResult struct {
	round progress.Round
	idle  bool // nothing but the vector moved
	more  bool // there is work left that need not wait for a trigger
}

// begin begins the work of a round on the flow, at the round's vector. The
// delta has been read: pane state, where it exists, stands there already.
// changed says that what it had read is not in the history any more.
func (f *flowRun) begin(ctx context.Context, r *round, changed bool) (*stepping, error) {
	s := &stepping{flowRun: f, r: r, to: f.flow.Progress, changed: changed, byEnd: map[int64]int{}}
	s.to.Vector, s.to.Flushes = r.pos.Vector, r.pos.Flushes
	var err error
	s.started, err = s.start(ctx)
	return s, err
}

// step computes what the round changes for the flow.
func (s *stepping) step(ctx context.Context, job *progress.Job) (stepResult, error) {
	if s.started {
		if err := s.touch(ctx); err != nil {
			return stepResult{}, err
		}
		if s.to.Watermark = s.watermark(); s.pinnedGone {
			s.evalErr = &progress.PinnedGoneError{Flow: s.flow.Def.Name, Earliest: s.r.pos.Earliest}
		}
		if err := s.emit(ctx); err != nil {
			return stepResult{}, err
		}
		if err := s.provisional(ctx); err != nil {
			return stepResult{}, err
		}
		if err := s.recompute(ctx); err != nil {
			return stepResult{}, err
		}
		s.trim()
	}
	var jobStep *progress.JobStep
	if job != nil {
		var err error
		if jobStep, err = s.refill(ctx, job); err != nil {
			return stepResult{}, err
		}
	}
	s.to.NewestT, s.to.NewestAt = s.clock.Newest, s.clock.NewestAt
	return s.result(jobStep), nil
}

// stepping is the work on one flow in one round.
type stepping struct {
	*flowRun
	r       *round
	to      progress.Progress
	started bool // its windows have begun
	changed bool // the history has changed
	windows []progress.Window
	byEnd   map[int64]int // window end -> index in windows
	rows    int           // present and gone, in windows
	remove  []progress.DirtyKey
	evalErr error
	tried   bool // a window was evaluated
	more    bool
}

// start takes note of the newest sample and, for a flow that has none yet,
// finds where its windows begin: at the first sample it sees, by event time.
// It reports whether the flow has begun.
func (s *stepping) start(ctx context.Context) (bool, error) {
	for _, l := range s.leaves {
		if l.plan.Samples > 0 {
			s.clock = s.clock.See(l.plan.MaxT, s.r.pos.Now)
		}
	}
	if s.to.EmittedUntil == progress.Unset {
		first := int64(math.MaxInt64)
		for _, l := range s.leaves {
			for _, set := range []*Touches{&l.late, &l.unordered} {
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
		if first == math.MaxInt64 {
			return false, nil
		}
		s.to.EmittedUntil = first - s.every()
	}
	if s.to.BeginsAfter == progress.Unset {
		s.to.BeginsAfter = s.to.EmittedUntil
	}
	if s.clock.Newest == progress.Unset {
		// A backfill: what it starts from was stored before the flow was.
		for _, l := range s.leaves {
			if len(l.Members.Metrics) == 0 {
				continue
			}
			spans, err := s.r.spans(ctx, l.Members.Metrics, -1, s.r.pos.Now)
			if err != nil {
				return false, err
			}
			if n := len(spans); n > 0 {
				s.clock = s.clock.See(spans[n-1].MaxT, s.r.pos.Now)
			}
		}
	}
	return s.clock.Newest != progress.Unset, nil
}

// watermark is the time up to which the flow's windows are closed, at the
// round's vector. It stands still while samples that every window reads are due,
// or given up.
func (s *stepping) watermark() int64 {
	before, now, def := s.to.Watermark, s.r.pos.Now, &s.flow.Def
	newest := s.clock.Watermark(now, 0, progress.Unset)
	if s.pinnedGone = def.Expr.PinnedGone(s.r.pos.Earliest); s.pinnedGone || newest < def.ClosesFrom() {
		return before
	}
	return s.clock.Watermark(now, def.CloseDelay(), before)
}

// every is the distance of window ends.
func (s *stepping) every() int64 { return s.flow.Def.Every }

// result is the round as it is to be stored.
func (s *stepping) result(job *progress.JobStep) stepResult {
	pr := progress.Round{
		Flow: s.flow.ID, Epoch: s.flow.Epoch, From: s.stored, To: s.to,
		Windows: s.windows, Remove: s.remove, Job: job, Error: s.errs,
	}
	switch {
	case s.evalErr != nil:
		pr.Error = s.evalErr.Error()
	case s.tried:
		pr.Error = ""
	}
	for _, d := range s.dirty.TakeChanged() {
		add := progress.Dirty{WindowEnd: d.End, Reason: string(d.Reason), Since: d.Since, FirstAt: d.FirstAt, LastAt: d.LastAt}
		if d.All {
			pr.Add = append(pr.Add, add)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(d.Groups)) {
			add.Group = key
			pr.Add = append(pr.Add, add)
		}
	}
	idle := len(pr.Windows) == 0 && len(pr.Remove) == 0 && len(pr.Add) == 0 && job == nil && pr.Error == s.errs &&
		s.to.EmittedUntil == s.flow.EmittedUntil
	return stepResult{round: pr, idle: idle, more: s.more}
}

// applied takes note of a committed round, or of one that need not be stored.
func (f *flowRun) applied(pr progress.Round, stored bool) {
	f.flow.Progress = pr.To
	f.errs = pr.Error
	if stored {
		f.stored = pr.To.Vector
	}
}
