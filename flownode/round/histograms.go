package round

// Flows over metrics that hold native histograms.
// Before: members are complete at the round's vector, nothing of the delta is
// read yet.
// After: every flow with such a metric keeps partials that hold histograms, or none.

import (
	"context"
	"slices"

	"laminar/flownode/progress"
)

// histograms makes flows keep partials of package native once a metric that they select
// holds native histograms: a float series may change into a histogram series in the
// middle of a window. Where a function of a flow has no such partial, its windows are
// computed whole, by Prometheus's engine over raw samples.
//
// The snapshot lists the metrics with histograms. A metric enters that list in the
// commit of its first histogram, so no histogram's sum is ever folded as if it were
// a float. The flow stays so for as long as the process owns it, and the next owner
// decides the same. The stored definition is not changed: it says what was asked for,
// and this is only how it is computed.
//
// Flows that change get new leaves, so their members are read once more.
func (r *round) histograms(ctx context.Context, flows []*flowRound) error {
	if len(r.Pos.Histograms) == 0 {
		return nil
	}
	var changed []*flowRound
	for _, f := range flows {
		if f.Def.Expr.Batch || f.Def.Expr.Native() || !f.holdsHistograms(r) {
			continue
		}
		f.becomeNative()
		f.takeLeaves()
		changed = append(changed, f)
		r.Refills[progress.Histogram]++
		r.Log.Info("flow is kept in another way from now on: a metric that it selects holds native histograms",
			"flow", f.Def.Name, "group", f.Def.Group, "mode", f.Def.Expr.Mode(), "why", f.Def.Expr.Why, "reason", string(progress.Histogram))
	}
	if err := r.members(ctx, changed); err != nil || len(changed) == 0 {
		return err
	}
	return r.recentResults(ctx, flows)
}

// holdsHistograms reports whether a metric of the flow's series holds native
// histograms. The snapshot lists such metrics in ascending order.
func (f *Flow) holdsHistograms(r *round) bool {
	for _, l := range f.Leaves {
		for _, m := range l.Members.Metrics {
			if _, found := slices.BinarySearch(r.Pos.Histograms, m); found {
				return true
			}
		}
	}
	return false
}
