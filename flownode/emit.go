package flownode

import (
	"context"
	"errors"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
)

// maxCatchUp is how many windows behind the watermark are computed from pane
// state; further back they are computed from raw, chunk by chunk, and state is
// built when the flow is near.
const maxCatchUp = 120

// emit computes the windows in (emitted-until, watermark], oldest first, as
// far as the round's budget reaches, but one at least: rounds that are long for
// other reasons must not hold results up for ever.
func (s *stepping) emit(ctx context.Context) error {
	closed := pane.FloorEnd(s.to.Watermark, s.every())
	if closed <= s.to.EmittedUntil {
		return s.ensureState(ctx)
	}
	if (closed-s.to.EmittedUntil)/s.every() <= maxCatchUp {
		if err := s.ensureState(ctx); err != nil {
			return err
		}
	}
	for begun := false; s.to.EmittedUntil < closed; begun = true {
		limit := s.chunk()
		if s.r.overBudget() || s.rows >= maxRoundRows {
			if s.more = begun; s.more {
				return nil
			}
			limit = 1
		}
		ends, err := s.candidates(ctx, s.r, s.to.EmittedUntil, closed, limit)
		if err != nil {
			return err
		}
		ends = s.near(ends)
		if len(ends) == 0 {
			s.to.EmittedUntil = closed
			break
		}
		src, err := s.sources(ctx, s.r, ends, wanted{all: true}, false)
		if err != nil {
			return err
		}
		for i, end := range ends {
			if i > 0 && src.whole != nil && s.r.overBudget() {
				ends, s.more = ends[:i], true // each window costs the whole expression
				break
			}
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
		if s.more {
			return nil
		}
	}
	return s.ensureState(ctx)
}

// window evaluates one window; an expression that cannot be evaluated leaves
// it without a result and is remembered as the flow's error.
func (s *stepping) window(ctx context.Context, src inputs, end int64, want wanted) (windowResult, error) {
	s.tried = true
	res, err := s.evaluate(ctx, s.r, src, end, want)
	if res.histograms > 0 {
		s.evalErr = &HistogramResultError{Flow: s.flow.Def.Name, End: end, Results: res.histograms}
		s.r.node.metrics.histogramResults.Add(float64(res.histograms))
	}
	var evalErr *EvalError
	if errors.As(err, &evalErr) {
		s.evalErr = err
		s.r.node.metrics.evalErrors.Inc()
		return windowResult{end: end, touched: true}, nil
	}
	return res, err
}

// chunk is how many windows are computed from one reading of raw samples: at
// least as many as make re-reading their overlap cheap. Windows of a batch leaf
// are each computed from all their samples, which costs more than reading them.
func (s *stepping) chunk() int {
	n := int64(32)
	for _, l := range s.leaves {
		if !l.Def.Batch {
			n = max(n, l.Def.Range/l.Step)
		}
	}
	return s.bounded(min(n, 1000))
}

// What windows may take that are computed from one reading.
const (
	maxChunkBytes = int64(256 << 20) // of pane state
	maxRoundRows  = 500_000          // so many and one chunk more in a round, too
)

// bounded is how many of n windows can be computed from one reading, so that
// memory does not grow with how much there is to compute.
func (s *stepping) bounded(n int64) int {
	for _, l := range s.leaves {
		groups := int64(max(1, len(l.Members.Groups)))
		n = min(n, maxRoundRows/groups)
		if l.Def.Batch {
			continue
		}
		panes := maxChunkBytes / max(1, int64(len(l.Members.GroupOf))*l.builder.CellBytes)
		n = min(n, (panes*l.Def.Pane-l.Def.Range)/l.Step+1)
	}
	return int(max(1, n))
}

// near cuts ends where the next window is so far off that reading raw samples
// over the gap would be wasted.
func (s *stepping) near(ends []int64) []int64 {
	gap := max(s.flow.Def.Expr.MaxReach, 16*s.every())
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
	s.rows += len(w.Rows) + len(w.Gone)
	if i, ok := s.byEnd[w.End]; ok {
		if w.Complete || !s.windows[i].Complete {
			s.windows[i] = w
		}
		return
	}
	s.byEnd[w.End] = len(s.windows)
	s.windows = append(s.windows, w)
}

// provisional computes the earliest open window.
func (s *stepping) provisional(ctx context.Context) error {
	end := s.to.EmittedUntil + s.every()
	if s.more || s.flow.Def.Emit != flowdef.EmitUpdate || end <= pane.FloorEnd(s.to.Watermark, s.every()) {
		return nil
	}
	if !s.rebuildable(end, s.r.pos.Earliest) {
		return nil // what is stored stays (I6)
	}
	changed := s.postponed || s.open.end != end
	costly := false
	for _, l := range s.leaves {
		changed = changed || l.plan.Samples > 0
		costly = costly || l.State == nil && len(l.Members.Series) > 0
	}
	if !changed {
		return nil
	}
	if s.postponed = costly && s.r.node.cfg.Now().Before(s.notBefore); s.postponed {
		return nil
	}
	began := s.r.node.cfg.Now()
	src, err := s.sources(ctx, s.r, []int64{end}, wanted{all: true}, false)
	if err != nil {
		return err
	}
	if costly {
		// A window that is read from raw every time gets a fifth of the time.
		defer func() {
			now := s.r.node.cfg.Now()
			s.notBefore = now.Add(4 * now.Sub(began))
		}()
	}
	if s.open.end != end {
		s.open.reset(end)
	}
	res, err := s.window(ctx, src, end, wanted{all: true})
	if err != nil {
		return err
	}
	if res.touched || s.open.known {
		s.put(s.changes(res))
		s.r.node.metrics.windows.WithLabelValues("provisional").Inc()
	}
	return nil
}

// expired reports whether results of the window are not kept any more.
func (f *flowRun) expired(end int64) bool {
	return f.flow.Def.Keep > 0 && end < f.clock.NewestAt-f.flow.Def.Keep
}
