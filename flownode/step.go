package flownode

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// stepResult is what a round makes of one flow.
type stepResult struct {
	round progress.Round
	idle  bool // nothing but the vector moved
	more  bool // there is work left that need not wait for a trigger
}

// step computes what the round changes for the flow, at the round's vector.
// The delta has been read: pane state, where it exists, stands there already.
func (f *flowRun) step(ctx context.Context, r *round, job *progress.Job) (stepResult, error) {
	s := &stepping{flowRun: f, r: r, to: f.flow.Progress, byEnd: map[int64]int{}}
	s.to.Vector, s.to.Flushes = r.pos.Vector, r.pos.Flushes
	started, err := s.start(ctx)
	if err != nil {
		return stepResult{}, err
	}
	if started {
		s.touch()
		s.to.Watermark = f.clock.Watermark(r.pos.Now, f.flow.Def.WatermarkDelay, s.to.Watermark)
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
		if jobStep, err = s.refill(ctx, job); err != nil {
			return stepResult{}, err
		}
	}
	s.to.NewestT, s.to.NewestAt = f.clock.Newest, f.clock.NewestAt
	return s.result(jobStep), nil
}

// stepping is the work on one flow in one round.
type stepping struct {
	*flowRun
	r       *round
	to      progress.Progress
	windows []progress.Window
	byEnd   map[int64]int // window end -> index in windows
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
			for _, set := range []*touches{&l.late, &l.unordered} {
				for end := range set.byPane {
					first = min(first, pane.FirstEnd(end-l.touchWidth()+1, l.leaf.Offset, l.step))
				}
				set.reset()
			}
			for _, span := range l.plan.Spans {
				first = min(first, pane.FirstEnd(span.Span.MinT, l.leaf.Offset, l.step))
			}
			l.plan.Spans = nil
		}
		if first == math.MaxInt64 {
			return false, nil
		}
		s.to.EmittedUntil = first - s.step1()
	}
	if s.clock.Newest == progress.Unset {
		// A backfill: what it starts from was stored before the flow was.
		for _, l := range s.leaves {
			if len(l.members.metrics) == 0 {
				continue
			}
			spans, err := s.r.spans(ctx, l.members.metrics, -1, s.r.pos.Now)
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

func (s *stepping) step1() int64 { return s.flow.Def.Every }

// touchWidth is the width of what touches are counted by.
func (l *leafRun) touchWidth() int64 {
	if l.leaf.Batch {
		return l.step
	}
	return l.leaf.Pane
}

// touch puts the closed windows that the delta reaches on the dirty list.
func (s *stepping) touch() {
	emitted := s.to.EmittedUntil
	for _, l := range s.leaves {
		for _, set := range []struct {
			*touches
			reason flowplan.Reason
		}{{&l.late, flowplan.LateOrdered}, {&l.unordered, flowplan.Unordered}} {
			for end, bits := range set.byPane {
				first, _ := l.windowsOf(end - l.touchWidth() + 1)
				_, last := l.windowsOf(end)
				for w := first; w <= min(last, emitted); w += l.step {
					s.touchGroups(l, w, bits, set.reason)
				}
			}
		}
		for _, span := range l.plan.Spans {
			first, _ := l.windowsOf(span.Span.MinT)
			_, last := l.windowsOf(span.Span.MaxT)
			for w := first; w <= min(last, emitted); w += l.step {
				s.dirty.Touch(w, progress.AllGroups, span.Reason, s.flow.Vector, s.r.pos.Now)
			}
		}
	}
}

func (s *stepping) touchGroups(l *leafRun, end int64, bits []uint64, reason flowplan.Reason) {
	if !s.flow.Def.Expr.ByGroup {
		s.dirty.Touch(end, progress.AllGroups, reason, s.flow.Vector, s.r.pos.Now)
		return
	}
	groups(bits, func(g int32) {
		s.dirty.Touch(end, l.members.groups[g].key, reason, s.flow.Vector, s.r.pos.Now)
	})
}

// maxCatchUp is how many windows behind the watermark are computed from pane
// state; further back they are computed from raw, chunk by chunk, and state is
// built when the flow is near.
const maxCatchUp = 120

// emit computes the windows in (emitted-until, watermark], oldest first, as
// far as the round's budget reaches.
func (s *stepping) emit(ctx context.Context) error {
	closed := pane.FloorEnd(s.to.Watermark, s.step1())
	if closed <= s.to.EmittedUntil {
		return s.ensureState(ctx)
	}
	if (closed-s.to.EmittedUntil)/s.step1() <= maxCatchUp {
		if err := s.ensureState(ctx); err != nil {
			return err
		}
	}
	for s.to.EmittedUntil < closed {
		if s.more = s.r.overBudget(); s.more {
			return nil
		}
		ends, err := s.candidates(ctx, s.r, s.to.EmittedUntil, closed, s.chunk())
		if err != nil {
			return err
		}
		ends = s.near(ends)
		if len(ends) == 0 {
			s.to.EmittedUntil = closed
			break
		}
		src, err := s.sources(ctx, s.r, ends[0], ends[len(ends)-1], wanted{all: true}, false)
		if err != nil {
			return err
		}
		for _, end := range ends {
			if !s.rebuildable(end, s.r.pos.Earliest) || s.expired(end) {
				continue
			}
			res, err := s.window(ctx, src, end, wanted{all: true})
			if err != nil {
				return err
			}
			if res.touched || s.open.end == end {
				s.put(s.changes(res))
			}
		}
		s.to.EmittedUntil = ends[len(ends)-1]
		s.r.node.metrics.windows.WithLabelValues("closed").Add(float64(len(ends)))
	}
	return s.ensureState(ctx)
}

// window evaluates one window; an expression that cannot be evaluated leaves
// it without a result and is remembered as the flow's error.
func (s *stepping) window(ctx context.Context, src inputs, end int64, want wanted) (windowResult, error) {
	s.tried = true
	res, err := s.evaluate(ctx, s.r, src, end, want)
	var evalErr *EvalError
	if errors.As(err, &evalErr) {
		s.evalErr = err
		s.r.node.metrics.evalErrors.Inc()
		return windowResult{end: end, touched: true}, nil
	}
	return res, err
}

// chunk is how many windows are computed from one reading of raw samples: at
// least as many as make re-reading their overlap cheap.
func (s *stepping) chunk() int {
	n := int64(32)
	for _, l := range s.leaves {
		n = max(n, l.leaf.Range/l.step)
	}
	return int(min(n, 1000))
}

// near cuts ends where the next window is so far off that reading raw samples
// over the gap would be wasted.
func (s *stepping) near(ends []int64) []int64 {
	gap := max(s.flow.Def.Expr.MaxReach, 16*s.step1())
	for i := 1; i < len(ends); i++ {
		if ends[i]-ends[i-1] > gap {
			return ends[:i]
		}
	}
	return ends
}

// put adds a window to what is stored this round. Of two for the same end the
// later one holds, unless it knows less.
func (s *stepping) put(w progress.Window) {
	if len(w.Rows) == 0 && len(w.Gone) == 0 && !w.Complete {
		return
	}
	if i, ok := s.byEnd[w.End]; ok {
		if w.Complete || !s.windows[i].Complete {
			s.windows[i] = w
		}
		return
	}
	s.byEnd[w.End] = len(s.windows)
	s.windows = append(s.windows, w)
}

// ensureState builds the pane state that the earliest open window needs, where
// it is missing and small enough to keep.
func (s *stepping) ensureState(ctx context.Context) error {
	for _, l := range s.leaves {
		if l.leaf.Batch || len(l.members.series) == 0 && l.state != nil {
			continue
		}
		need, _ := l.span(s.to.EmittedUntil + l.step)
		if l.state != nil {
			if _, from := l.state.position(); from <= need {
				continue
			}
		}
		from := need - l.lateKeep()
		ahead := s.r.pos.Now + aheadOfClock
		if (ahead-from)/l.leaf.Pane*int64(len(l.members.groupOf))*l.builder.cellBytes > s.r.node.cfg.MaxStateBytes {
			continue
		}
		var err error
		if l.state, err = l.buildState(ctx, s.r, from); err != nil {
			return err
		}
		s.r.node.metrics.refills.WithLabelValues(string(flowplan.NoState)).Inc()
	}
	return nil
}

// aheadOfClock is how far beyond the database's clock panes may lie; samples
// further ahead are refused at the door.
const aheadOfClock = int64(10 * time.Minute / time.Millisecond)

// lateKeep is how much older than the earliest open window needs panes are
// kept, for the late samples that come any minute; whole panes.
func (l *leafRun) lateKeep() int64 {
	const late = int64(2 * time.Minute / time.Millisecond)
	return min((late+l.leaf.Pane-1)/l.leaf.Pane, 60) * l.leaf.Pane
}

// provisional computes the earliest open window.
func (s *stepping) provisional(ctx context.Context) error {
	end := s.to.EmittedUntil + s.step1()
	if s.more || s.flow.Def.Emit != flowdef.EmitUpdate || end <= pane.FloorEnd(s.to.Watermark, s.step1()) {
		return nil
	}
	changed := s.postponed || s.open.end != end
	costly := false
	for _, l := range s.leaves {
		changed = changed || l.plan.Samples > 0
		costly = costly || l.state == nil && len(l.members.series) > 0
	}
	if !changed {
		return nil
	}
	if s.postponed = costly && time.Now().Before(s.notBefore); s.postponed {
		return nil
	}
	began := time.Now()
	src, err := s.sources(ctx, s.r, end, end, wanted{all: true}, false)
	if err != nil {
		return err
	}
	if costly {
		// A window that is read from raw every time gets a fifth of the time.
		defer func() { s.notBefore = time.Now().Add(4 * time.Since(began)) }()
	}
	if s.open.end != end {
		s.open.reset(end)
	}
	res, err := s.window(ctx, src, end, wanted{all: true})
	if err != nil {
		return err
	}
	if res.touched || s.open.values != nil {
		s.put(s.changes(res))
		s.r.node.metrics.windows.WithLabelValues("provisional").Inc()
	}
	return nil
}

// dirtyPerRound bounds how many dirty windows are looked at in a round.
const dirtyPerRound = 512

// recompute computes dirty windows that have been quiet for long enough, as
// far as the round's budget reaches.
func (s *stepping) recompute(ctx context.Context) error {
	ready := s.dirty.Ready(s.r.pos.Now, dirtyPerRound)
	for len(ready) > 0 {
		if s.r.overBudget() {
			s.more = true
			return nil
		}
		batch, want := s.dirtyBatch(ready)
		ready = ready[len(batch):]
		first, last := batch[0].End, batch[len(batch)-1].End
		src, err := s.sources(ctx, s.r, first, last, want, false)
		if err != nil {
			return err
		}
		for _, d := range batch {
			if s.rebuildable(d.End, s.r.pos.Earliest) && !s.expired(d.End) {
				res, err := s.window(ctx, src, d.End, want)
				if err != nil {
					return err
				}
				if want.all {
					s.put(s.complete(res))
				} else {
					s.put(s.some(res, want))
				}
				s.r.node.metrics.refills.WithLabelValues(string(d.Reason)).Inc()
			} else {
				s.r.node.metrics.unrebuildable.Inc()
			}
			s.forget(d)
		}
		s.r.node.metrics.windows.WithLabelValues("recomputed").Add(float64(len(batch)))
	}
	return nil
}

// dirtyBatch takes from the front of ready the windows that are best computed
// from one reading: near each other, and all whole or all by group.
func (s *stepping) dirtyBatch(ready []*flowplan.DirtyWindow) ([]*flowplan.DirtyWindow, wanted) {
	want := wanted{all: ready[0].All || !s.flow.Def.Expr.ByGroup, keys: map[string]struct{}{}}
	gap := max(s.flow.Def.Expr.MaxReach, 16*s.step1())
	n := 0
	for n < len(ready) && n < s.chunk() {
		d := ready[n]
		if (d.All || !s.flow.Def.Expr.ByGroup) != want.all || n > 0 && d.End-ready[n-1].End > gap {
			break
		}
		maps.Copy(want.keys, d.Groups)
		n++
	}
	return ready[:n], want
}

// forget takes a window off the dirty list.
func (s *stepping) forget(d *flowplan.DirtyWindow) {
	if d.All {
		s.remove = append(s.remove, progress.DirtyKey{WindowEnd: d.End, Group: progress.AllGroups})
	}
	for key := range d.Groups {
		s.remove = append(s.remove, progress.DirtyKey{WindowEnd: d.End, Group: key})
	}
	s.dirty.Remove(d.End)
}

// expired reports whether results of the window are not kept any more.
func (f *flowRun) expired(end int64) bool {
	return f.flow.Def.Keep > 0 && end < f.clock.NewestAt-f.flow.Def.Keep
}

// trim drops panes that no open window needs.
func (s *stepping) trim() {
	for _, l := range s.leaves {
		if l.state != nil {
			need, _ := l.span(s.to.EmittedUntil + l.step)
			l.state.trim(need - l.lateKeep())
		}
	}
}

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

// position is where the flow stands in memory.
func (f *flowRun) position() sequence.Vector { return f.flow.Vector }
