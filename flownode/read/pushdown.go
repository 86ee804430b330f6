package read

// Simple partials that the database computes.
// Before: the choice of an executor was to push down.
// After: fn was called once for every partial. Or the database could not compute
// them: then the leaf is read in columns for a while, and the partials that fn was
// called with must be dropped.

import (
	"context"
	"errors"
	"fmt"

	"laminar/flownode/keep"
	"laminar/flownode/partial"
	"laminar/sequence"
)

// simpleQuery asks for the leaf's partials of samples after a time. Every series is
// sent with its slot: the database knows nothing of groups, and need not.
func simpleQuery(l *keep.Leaf, after int64) partial.SimpleQuery {
	m := l.Members
	return partial.SimpleQuery{Metrics: m.Metrics, Series: m.Series, Slots: m.Slots, Pane: l.Def.Pane, After: after}
}

// AggregateDelta lets the database fold the leaf's ordered delta. It reports
// false when the database cannot.
func (r *Reader) AggregateDelta(ctx context.Context, l *keep.Leaf, ranges map[sequence.Region]sequence.Range, fn func(pane int64, slot int32, part partial.Simple) error) (done bool, err error) {
	err = r.aggregator.AggregateDelta(ctx, simpleQuery(l, -1), ranges, fn)
	if err != nil && !errors.Is(err, partial.ErrNeedsColumnar) {
		return false, fmt.Errorf("aggregate delta of %s: %w", l.Def.Text, err)
	}
	return r.aggregated(l, err), nil
}

// aggregateRaw lets the database fold all the leaf's samples after from.
func (r *Reader) aggregateRaw(ctx context.Context, l *keep.Leaf, from int64, fn func(pane int64, slot int32, part partial.Simple) error) (done bool, err error) {
	err = r.aggregator.AggregateRaw(ctx, simpleQuery(l, from), sequence.Span{After: from, UpTo: sequence.EndOfTime}, fn)
	if err != nil && !errors.Is(err, partial.ErrNeedsColumnar) {
		return false, fmt.Errorf("aggregate raw samples of %s: %w", l.Def.Text, err)
	}
	return r.aggregated(l, err), nil
}

// aggregated reports whether the database could aggregate. If it could not, the leaf
// is read in columns for a while: the same samples would fail again in every round.
func (r *Reader) aggregated(l *keep.Leaf, err error) bool {
	if err == nil {
		return true
	}
	r.Count(r.Chooser.FellBack(l))
	r.Log.Warn("the database cannot aggregate these samples; reading them instead", "leaf", l.Def.Text, "err", err)
	return false
}
