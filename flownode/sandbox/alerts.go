package sandbox

// Alerts of alerting rules: what tables in PostgreSQL hold of them.

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/alert"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// MemAlerts is what is stored of the alerts of a flow.
type MemAlerts struct {
	Now     []alert.Change // as they stand, one of each label set
	History []alert.Change // those that stand, by window
	lastID  int64
}

// update does what a round says of the alerts.
func (a *MemAlerts) update(u *alert.Update) {
	same := func(lset labels.Labels) func(alert.Change) bool {
		return func(c alert.Change) bool { return labels.Equal(c.Labels, lset) }
	}
	for _, lset := range u.Remove {
		a.Now = slices.DeleteFunc(a.Now, same(lset))
	}
	for _, i := range u.Put {
		a.Now = append(slices.DeleteFunc(a.Now, same(i.Labels)), alert.Change{Instance: *i})
	}
	a.History = slices.DeleteFunc(a.History, func(c alert.Change) bool { return slices.Contains(u.Withdrawn, c.ID) })
	for _, c := range u.Changes {
		a.lastID++
		c.ID = a.lastID
		a.History = append(a.History, c)
	}
	slices.SortStableFunc(a.History, func(a, b alert.Change) int { return int(a.At - b.At) })
}

// Alerts is the alerts of a rule as they stand.
func (s *MemStore) Alerts(_ context.Context, flow progress.FlowID) ([]alert.Change, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return slices.Clone(s.Flows[flow].Alerts.Now), nil
}

// Changes is the last change of each label set up to the window ending at t, and all
// changes after it.
func (s *MemStore) Changes(_ context.Context, flow progress.FlowID, t sequence.Time) (before, after []alert.Change, err error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.Flows[flow].Alerts.History {
		if c.At > t {
			after = append(after, c)
			continue
		}
		before = append(slices.DeleteFunc(before, func(o alert.Change) bool { return labels.Equal(o.Labels, c.Labels) }), c)
	}
	return before, after, nil
}

// Rows is the rows of a flow in windows that end in the span.
func (s *MemStore) Rows(_ context.Context, flow progress.FlowID, ends sequence.Span) ([]progress.Window, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return rowsIn(s.Flows[flow], ends), nil
}
