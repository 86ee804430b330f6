package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"

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
	raw, err := readRaw(ctx, r.snap, l.members, allGroups(), from, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	r.readSamples += raw.samples()
	raw.foldInto(state, len(l.members.groupOf))
	return state, nil
}
