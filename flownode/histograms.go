package flownode

import (
	"fmt"
	"slices"

	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// noticeHistograms makes flows compute their windows whole, by Prometheus's
// engine over raw samples, once a metric that they select holds native
// histograms: no partial is kept of these, and a float series may change into a
// histogram series in the middle of a window. It is decided from what the
// snapshot says of metrics, in which it comes with the first histogram, so no
// histogram's sum is ever folded as if it were a float. It stays that way for as
// long as the process owns the flow, and the next owner finds the same.
func (g *group) noticeHistograms(r *round) {
	if len(r.pos.Histograms) == 0 {
		return
	}
	for _, f := range g.flows {
		if f.broken || f.flow.Def.Expr.Batch || !f.holdsHistograms(r) {
			continue
		}
		f.becomeWhole()
		g.node.metrics.refills.WithLabelValues(string(flowplan.Histogram)).Inc()
		g.node.log.Info("flow is computed whole from now on: a metric that it selects holds native histograms",
			"flow", f.flow.Def.Name, "group", g.name, "reason", string(flowplan.Histogram))
	}
}

// holdsHistograms reports whether a metric of the flow's series holds native
// histograms.
func (f *flowRun) holdsHistograms(r *round) bool {
	for _, l := range f.leaves {
		for _, m := range l.Members.Metrics {
			if _, found := slices.BinarySearch(r.pos.Histograms, m); found {
				return true
			}
		}
	}
	return false
}

// becomeWhole makes the flow one in batch mode. Its progress, its dirty list and
// the layout of its results stay; members are to be read again.
func (f *flowRun) becomeWhole() {
	def := f.flow.Def
	def.Expr = def.Expr.Whole("a metric that it selects holds native histograms")
	f.flow.Def, f.leaves, f.membersAt = def, NewLeaves(def), nil
}

// HistogramResultError says that results of a window are left out because they
// are native histograms. The results that are numbers are stored.
type HistogramResultError struct {
	Flow    string
	End     int64 // ms since the epoch
	Results int
}

func (e *HistogramResultError) Error() string {
	return fmt.Sprintf("%d results of %s in the window ending %s are native histograms, which a result table cannot hold: "+
		"make numbers of them with histogram_quantile, histogram_avg, histogram_count or histogram_sum", e.Results, e.Flow, progress.FormatTime(e.End))
}
