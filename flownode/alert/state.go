package alert

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
)

// State is the alerts of one rule after a window. The zero State has none. It belongs
// to one goroutine.
type State struct {
	byKey map[string]*Instance
}

// key is what a label set is found by.
func key(lset labels.Labels) string { return string(lset.Bytes(nil)) }

// Len is how many alerts there are, resolved ones included.
func (s *State) Len() int { return len(s.byKey) }

// Instances lists the alerts by their labels. They are the state's own.
func (s *State) Instances() []*Instance {
	out := slices.Collect(maps.Values(s.byKey))
	slices.SortFunc(out, func(a, b *Instance) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

// Get is the alert of a label set, nil where there is none.
func (s *State) Get(lset labels.Labels) *Instance { return s.byKey[key(lset)] }

// put sets the alert of its label set.
func (s *State) put(i *Instance) {
	if s.byKey == nil {
		s.byKey = map[string]*Instance{}
	}
	s.byKey[key(i.Labels)] = i
}

// Clone is a state that shares nothing with s.
func (s *State) Clone() State {
	var out State
	for _, i := range s.byKey {
		c := *i
		out.put(&c)
	}
	return out
}

// Step takes the state over the window w, which ends at t, and returns what that
// changed, by labels. Windows come in ascending order, each once; one without rows is
// a window too.
//
// With ErrDuplicate, and where w has failed, the state is as before. With a LimitError it is empty, and the
// changes say so.
func (s *State) Step(r *Rule, t sequence.Time, w Window) ([]Change, error) {
	there, err := w.found()
	if w.Failed || err != nil {
		return nil, err
	}
	reasons := s.take(t, there)
	active := 0
	for k, i := range s.byKey {
		if there[k] == nil && !s.lose(r, t, k, i, reasons) {
			continue
		}
		if there[k] != nil && i.KeptSince != sequence.NoTime {
			i.KeptSince, reasons[k] = sequence.NoTime, Returned
		}
		active++
		i.hold(r, t, k, reasons)
	}
	if r.Limit > 0 && active > r.Limit {
		return s.drop(t), &LimitError{Limit: r.Limit, Alerts: active}
	}
	return s.changes(t, reasons), nil
}

// reasonOf is why alerts changed in a window, by key; the last reason counts.
type reasonOf map[string]Reason

// take notes what a window has found: new label sets, and values of known ones.
func (s *State) take(t sequence.Time, there map[string]*Found) reasonOf {
	reasons := reasonOf{}
	for k, f := range there {
		if i := s.byKey[k]; i != nil && i.Phase != Resolved {
			i.Value, i.Annotations, i.rowAt = f.Value, f.Annotations, t
			continue
		}
		s.put(&Instance{
			Labels: f.Labels, Annotations: f.Annotations, Value: f.Value, Phase: Pending, ActiveAt: t, rowAt: t,
			FiredAt: sequence.NoTime, ResolvedAt: sequence.NoTime, KeptSince: sequence.NoTime,
		})
		reasons[k] = Appeared
	}
	return reasons
}

// lose moves on an alert whose label set is not in the window, and reports whether it
// is kept firing all the same.
func (s *State) lose(r *Rule, t sequence.Time, k string, i *Instance, reasons reasonOf) (keeps bool) {
	switch i.Phase {
	case Pending:
		i.Phase, i.ResolvedAt, reasons[k] = Inactive, t, Gone
	case Firing:
		if r.KeepFiringFor > 0 {
			if i.KeptSince == sequence.NoTime {
				i.KeptSince, reasons[k] = t, Kept
			}
			if t-i.KeptSince < r.KeepFiringFor {
				return true
			}
		}
		i.Phase, i.ResolvedAt, reasons[k] = Resolved, t, Gone
	default:
		if t-i.ResolvedAt > ResolvedRetention {
			delete(s.byKey, k)
		}
	}
	return false
}

// hold decides between pending and firing for an alert that is active in a window.
func (i *Instance) hold(r *Rule, t sequence.Time, k string, reasons reasonOf) {
	switch long := t-i.ActiveAt >= r.For; {
	case i.Phase == Pending && long:
		i.Phase, i.FiredAt, reasons[k] = Firing, t, Held
	case i.Phase == Firing && !long:
		i.Phase, i.FiredAt, i.KeptSince, reasons[k] = Pending, sequence.NoTime, sequence.NoTime, Waits
	}
}

// changes makes changes of the alerts with a reason, and drops those that never
// fired and are gone.
func (s *State) changes(t sequence.Time, reasons reasonOf) []Change {
	out := make([]Change, 0, len(reasons))
	for k, reason := range reasons {
		i := s.byKey[k]
		out = append(out, Change{At: t, Reason: reason, Instance: *i})
		if i.Phase == Inactive {
			delete(s.byKey, k)
		}
	}
	sortChanges(out)
	return out
}

// drop empties the state, of resolved alerts too.
func (s *State) drop(t sequence.Time) []Change {
	out := make([]Change, 0, len(s.byKey))
	for _, i := range s.byKey {
		if i.Phase != Resolved {
			i.ResolvedAt = t
		}
		i.Phase = Inactive
		out = append(out, Change{At: t, Reason: Limited, Instance: *i})
	}
	clear(s.byKey)
	sortChanges(out)
	return out
}

// sortChanges orders changes by window, then by labels.
func sortChanges(changes []Change) {
	slices.SortFunc(changes, func(a, b Change) int {
		if a.At != b.At {
			return int(min(max(a.At-b.At, -1), 1))
		}
		return labels.Compare(a.Labels, b.Labels)
	})
}

// Restore is the state after the window ending at t, of all changes up to there, which
// ascend by At. Values and annotations are those of the last change: the rows of
// the window give newer ones (Refresh).
func Restore(changes []Change, t sequence.Time) State {
	var s State // later changes of a label set take the place of earlier ones
	for i := range changes {
		s.apply(&changes[i])
	}
	s.expire(t)
	return s
}

// apply makes an alert what a change says.
func (s *State) apply(c *Change) {
	if c.Phase == Inactive {
		delete(s.byKey, key(c.Labels))
		return
	}
	i := c.Instance
	s.put(&i)
}

// expire drops alerts that were resolved too long before the window ending at t.
func (s *State) expire(t sequence.Time) {
	for k, i := range s.byKey {
		if i.Phase == Resolved && t-i.ResolvedAt > ResolvedRetention {
			delete(s.byKey, k)
		}
	}
}

// Refresh gives active alerts the values and annotations of their newest rows, in the
// windows that end at t or before. The rows of an alert that is not kept firing are in
// the last window that was evaluated, so windows that reach back over those that could
// not be are enough.
func (s *State) Refresh(w Windows, t sequence.Time) {
	for i := range w.List[:w.from(t+1)] {
		if there, err := w.List[i].found(); err == nil {
			for k, f := range there {
				if i := s.byKey[k]; i != nil && i.Phase != Resolved {
					i.Value, i.Annotations = f.Value, f.Annotations
				}
			}
		}
	}
}

// same reports whether two states stand alike, values and annotations aside.
func (s *State) same(o *State) bool {
	return maps.EqualFunc(s.byKey, o.byKey, (*Instance).samePhase)
}
