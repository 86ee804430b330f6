package keep

// From series to slots: which series a leaf selects.

import (
	"slices"

	"laminar/sequence"
	"laminar/sequence/series"
)

// add gives a series a slot.
func (x *Selection) add(s *series.Series, slot int32) {
	x.Series, x.Slots = append(x.Series, s.ID), append(x.Slots, slot)
	x.Index.Set(s.ID, slot)
	if at, found := slices.BinarySearch(x.Metrics, s.Metric); !found {
		x.Metrics = slices.Insert(x.Metrics, at, s.Metric)
	}
}

// ReadsResults reports whether series of results of flows are selected, which no
// database can aggregate.
func (x *Selection) ReadsResults() bool { return len(x.Metrics) > 0 && x.Metrics[0] < 0 }

// Selects reports whether samples of the metric can be samples of selected series.
func (x *Selection) Selects(metric sequence.MetricID) bool {
	_, found := slices.BinarySearch(x.Metrics, metric)
	return found
}

// Select gives slots to those series of the list that the leaf selects and that have
// none. Where a slot is a group it leaves that to Group. Of members that share a
// selection one does it for all, and before any of them groups. The series' labels
// may be shared with others, and must not change afterwards: a set is recognized by
// its address.
func (m *Members) Select(list []series.Series) {
	if m.ByGroup {
		return
	}
	for i := range list {
		s := &list[i]
		if m.passes(s) {
			continue
		}
		if len(s.Labels) == 0 || &s.Labels[0] != m.Selection.lastSet {
			m.selected = m.Def.Matches(valueIn(s.Labels)) && (m.Def.Relabel == nil || !m.Def.LeavesOut(toLabels(s.Labels)))
			if m.Selection.lastSet = nil; len(s.Labels) > 0 {
				m.Selection.lastSet = &s.Labels[0]
			}
		}
		if m.selected && m.Index.Get(s.ID) == NoSlot {
			m.add(s, int32(len(m.Series)))
		}
	}
}

// passes reports whether the series is not looked at: results of flows are selected by
// name only, and raw samples not where only results are.
func (m *Members) passes(s *series.Series) bool {
	if s.Metric < 0 {
		return !m.Def.NamesMetric()
	}
	return m.Def.Results
}
