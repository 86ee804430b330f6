package flownode

import (
	"context"
	"errors"
	"fmt"
	"math"

	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// simpleQuery asks for the leaf's partials of samples after from.
func (l *Leaf) simpleQuery(after int64) SimpleQuery {
	return SimpleQuery{Metrics: l.Members.Metrics, Series: l.Members.Series, Slots: l.Members.Slots, Pane: l.Def.Pane, After: after}
}

// pushDelta folds the ordered delta by the database. When the database cannot
// (a sum that overflows is an error in SQL), the state is built again from raw.
func (l *Leaf) pushDelta(ctx context.Context, r *round, ranges map[sequence.Region]sequence.Range) error {
	after, from := int64(-1), int64(math.MaxInt64)
	if l.State != nil {
		_, from = l.State.Position()
	}
	err := r.snap.AggregateDelta(ctx, l.simpleQuery(after), ranges, func(end int64, slot int32, part partial.Simple) error {
		if end <= l.closed {
			l.late.Add(end, l.Members.GroupOf[slot])
		}
		if end > from {
			l.State.MergeSimple(end, slot, len(l.Members.GroupOf), part)
		}
		return nil
	})
	if errors.Is(err, partial.ErrNeedsColumnar) {
		l.fellBack(r, err)
		l.pushed, l.State = false, nil
		return r.snap.ReadDelta(ctx, l.Members.Metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
			l.take(seg)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("aggregate delta of %s: %w", l.Def.Text, err)
	}
	return nil
}
