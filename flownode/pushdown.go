package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"

	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// simpleQuery asks for the leaf's partials of samples after from.
func (l *leafRun) simpleQuery(after int64) SimpleQuery {
	return SimpleQuery{Metrics: l.members.metrics, Series: l.members.series, Slots: l.members.slots, Pane: l.leaf.Pane, After: after}
}

// pushDelta folds the ordered delta by the database. When the database cannot
// (a sum that overflows is an error in SQL), the state is built again from raw.
func (l *leafRun) pushDelta(ctx context.Context, r *round, ranges map[sequence.Region]sequence.Range) error {
	after, from := int64(-1), int64(math.MaxInt64)
	if l.state != nil {
		_, from = l.state.position()
	}
	err := r.snap.AggregateDelta(ctx, l.simpleQuery(after), ranges, func(end int64, slot int32, part partial.Simple) error {
		if end <= l.closed {
			l.late.add(end, l.members.groupOf[slot])
		}
		if end > from {
			l.state.mergeSimple(end, slot, len(l.members.groupOf), part)
		}
		return nil
	})
	if errors.Is(err, progress.ErrNeedsColumnar) {
		l.fellBack(r, err)
		l.pushed, l.state = false, nil
		return r.snap.ReadDelta(ctx, l.members.metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
			l.take(seg)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("aggregate delta of %s: %w", l.leaf.Text, err)
	}
	return nil
}
