package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"laminar/flownode/flowplan"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
)

// buildState builds pane state that begins at from, with everything the
// snapshot holds after it (I3): read in columns, or aggregated by the database.
func (l *leafRun) buildState(ctx context.Context, r *round, from int64) (store, error) {
	state := l.builder.panes(from, r.pos.Vector)
	if len(l.members.series) == 0 {
		return state, nil
	}
	if l.pushable(r) {
		err := r.snap.AggregateRaw(ctx, l.simpleQuery(from), from, math.MaxInt64, func(end int64, slot int32, part partial.Simple) error {
			state.mergeSimple(end, slot, len(l.members.groupOf), part)
			return nil
		})
		switch {
		case err == nil:
			return state, nil
		case !errors.Is(err, progress.ErrNeedsColumnar):
			return nil, fmt.Errorf("aggregate raw samples of %s: %w", l.leaf.Text, err)
		}
		r.node.log.Warn("the database cannot aggregate these samples; reading them instead", "leaf", l.leaf.Text, "err", err)
		state = l.builder.panes(from, r.pos.Vector)
	}
	if err := l.foldRaw(ctx, r, state, l.members.series, from, math.MaxInt64); err != nil {
		return nil, err
	}
	return state, nil
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

// trim drops panes that no open window needs.
func (s *stepping) trim() {
	for _, l := range s.leaves {
		if l.state != nil {
			need, _ := l.span(s.to.EmittedUntil + l.step)
			l.state.trim(need - l.lateKeep())
		}
	}
}
