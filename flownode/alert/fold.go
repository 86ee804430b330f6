package alert

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
)

// Window is what the rule's expression gives in one window, after templates. A window
// that is not among those of a fold has no rows.
type Window struct {
	End    sequence.Time
	Found  []Found
	Failed bool // the expression could not be evaluated: the state stays as it is
}

// found is the label sets of the window by key, or ErrDuplicate.
func (w *Window) found() (map[string]*Found, error) {
	if w.Failed {
		return nil, nil
	}
	there := make(map[string]*Found, len(w.Found))
	for i := range w.Found {
		k := key(w.Found[i].Labels)
		if there[k] != nil {
			return nil, ErrDuplicate
		}
		there[k] = &w.Found[i]
	}
	return there, nil
}

// Windows is windows in ascending order, and the step between window ends, ms.
type Windows struct {
	Every int64
	List  []Window
}

// from is the index of the first window that ends at t or later.
func (w *Windows) from(t sequence.Time) int {
	at, _ := slices.BinarySearchFunc(w.List, t, func(x Window, t sequence.Time) int { return int(min(max(x.End-t, -1), 1)) })
	return at
}

// Fold takes the state over all windows that end in the span, whose bounds are window
// ends, and returns their changes, by window and labels. A window in which the rule
// fails leaves the state as the rule's error says; the last such error is err, and the
// fold goes on.
//
// It costs a step for each window with rows and for each without while there are
// alerts: at most ResolvedRetention after the last row.
func (s *State) Fold(r *Rule, w Windows, ends sequence.Span) (changes []Change, err error) {
	f := folding{State: s, rule: r, windows: w, next: w.from(ends.After + 1)}
	for t := f.after(ends.After); t <= ends.UpTo; t = f.after(t) {
		f.step(t)
	}
	return f.changes, f.err
}

// folding is one fold under way.
type folding struct {
	*State
	rule    *Rule
	windows Windows
	next    int // index of the first window not yet folded
	changes []Change
	err     error
}

// after is the end of the next window after t that can change the state: the very
// next while there are alerts, else the next that has rows.
func (f *folding) after(t sequence.Time) sequence.Time {
	if f.Len() > 0 {
		return t + f.windows.Every
	}
	if f.next < len(f.windows.List) {
		return f.windows.List[f.next].End
	}
	return never
}

// never is later than every window end.
const never = sequence.Time(1<<63 - 1)

// step folds the window ending at t.
func (f *folding) step(t sequence.Time) {
	var w Window
	if f.next < len(f.windows.List) && f.windows.List[f.next].End == t {
		w = f.windows.List[f.next]
		f.next++
	}
	changes, err := f.Step(f.rule, t, w)
	if err != nil {
		f.err = fmt.Errorf("the window ending %s: %w", sequence.FormatTime(t), err)
	}
	f.changes = append(f.changes, changes...)
}

// Correction is what comes of folding past windows again.
type Correction struct {
	Added     []Change // that no stored change says; all are Corrected
	Withdrawn []Change // stored changes that are not true any more
	State     State    // after the last of the windows
	Same      bool     // State is as it was before the correction, but for values and annotations
	Err       error    // as of Fold
}

// Correct folds windows again whose rows have changed since they were folded: all in
// ends, of which those up to touched may have other rows. before is the state after
// the window ending at ends.After; old is the stored changes of windows in ends,
// ascending; now is the state after ends.UpTo as it was. w holds the windows in ends.
//
// Behind touched the fold stops as soon as the state is what it was, and of newer
// rows: then all later windows give what they gave. So a late sample costs the windows that it reaches and
// those in which its alert differs.
func Correct(r *Rule, before State, old []Change, now State, w Windows, ends sequence.Span, touched sequence.Time) Correction {
	was := before.Clone()
	f := folding{State: &before, rule: r, windows: w, next: w.from(ends.After + 1)}
	seen, met := 0, false
	for t := ends.After + w.Every; t <= ends.UpTo; t += w.Every {
		f.step(t)
		for seen < len(old) && old[seen].At <= t {
			was.apply(&old[seen])
			seen++
		}
		was.expire(t)
		if t >= touched && f.same(&was) && f.newerRows(touched) {
			met = t < ends.UpTo // at the end, the rows of the last window may be new
			break
		}
		if f.Len() == 0 && was.Len() == 0 { // jump to where either of them changes
			next := min(f.after(t), touched)
			if seen < len(old) {
				next = min(next, old[seen].At)
			}
			t = next - w.Every
		}
	}
	out := Correction{Err: f.err, State: before}
	if met {
		old = old[:seen]
		now.inherit(&before)
		out.State, out.Same = now, true
	} else {
		out.Same = out.State.same(&now)
	}
	out.Added, out.Withdrawn = difference(old, f.changes)
	return out
}

// newerRows reports whether all active alerts have had a row after t: later windows
// would have values and annotations of the row at t otherwise.
func (s *State) newerRows(t sequence.Time) bool {
	for _, i := range s.byKey {
		if i.Phase != Resolved && i.rowAt <= t {
			return false
		}
	}
	return true
}

// inherit takes values and annotations of resolved alerts from an earlier state.
func (s *State) inherit(from *State) {
	for k, i := range s.byKey {
		if f := from.byKey[k]; f != nil && i.Phase == Resolved && i.samePhase(f) {
			i.Value, i.Annotations = f.Value, f.Annotations
		}
	}
}

// difference is the changes that are in now and not in old, marked as corrected, and
// those in old and not in now. Both ascend.
func difference(old, now []Change) (added, withdrawn []Change) {
	type place struct {
		at  sequence.Time
		key string
	}
	known := make(map[place]*Change, len(old))
	for i := range old {
		known[place{old[i].At, key(old[i].Labels)}] = &old[i]
	}
	for i := range now {
		p := place{now[i].At, key(now[i].Labels)}
		if o := known[p]; o != nil && o.Reason == now[i].Reason && o.samePhase(&now[i].Instance) && sameValue(o.Value, now[i].Value) {
			delete(known, p)
			continue
		}
		now[i].Corrected = true
		added = append(added, now[i])
	}
	for i := range old {
		if known[place{old[i].At, key(old[i].Labels)}] != nil {
			withdrawn = append(withdrawn, old[i])
		}
	}
	return added, withdrawn
}

// Update is what a round changes of what is stored about a rule's alerts.
type Update struct {
	Put       []*Instance     // new or not as they were
	Remove    []labels.Labels // of alerts that are no more
	Changes   []Change        // new ones, by window
	Withdrawn []int64         // Change.ID of those that are not true any more
	Notices   []Notice        // in order
}

// Empty reports whether it changes nothing.
func (u *Update) Empty() bool {
	return len(u.Put) == 0 && len(u.Remove) == 0 && len(u.Changes) == 0 && len(u.Withdrawn) == 0 && len(u.Notices) == 0
}

// Differ adds what is different about the alerts of now.
func (u *Update) Differ(was, now *State) {
	for _, i := range now.Instances() {
		if o := was.Get(i.Labels); o == nil || !o.Same(i) {
			u.Put = append(u.Put, i)
		}
	}
	for _, i := range was.Instances() {
		if now.Get(i.Labels) == nil {
			u.Remove = append(u.Remove, i.Labels)
		}
	}
}
